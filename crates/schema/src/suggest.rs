//! "Did you mean …?": the nearest of the names that are valid in a place.

/// The most names that one suggestion offers; more than three are a list, not a suggestion.
const MAX_SUGGESTIONS: usize = 3;

/// The longest name that a suggestion is sought for, in characters.
///
/// Comparing two names costs the product of their lengths; no name of the schema has half as many.
const MAX_NAME_CHARS: usize = 64;

/// The most candidates that are looked at for one name, and of those the most that are compared with it.
///
/// A hostile file can misspell ten thousand names that each have ten thousand candidates; it must not
/// take minutes.
const MAX_CANDIDATES: usize = 1000;
const MAX_COMPARED: usize = 32;

/// Advice that offers the names among `candidates` that are near `name`; none if none is.
///
/// Near is an edit distance, case folded, of at most 2 or a third of the length, whichever is more.
pub(crate) fn did_you_mean<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    let names: Vec<_> = near(name, candidates)
        .into_iter()
        .take(MAX_SUGGESTIONS)
        .map(|name| format!("`{name}`"))
        .collect();
    (!names.is_empty()).then(|| format!("did you mean {}?", names.join(" or ")))
}

/// The nearest of the candidates, if one is near.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    near(name, candidates).first().copied()
}

/// The candidates that are near, the nearest first.
fn near<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Vec<&'c str> {
    let n_chars = name.chars().count();
    if n_chars > MAX_NAME_CHARS {
        return Vec::new();
    }
    let folded = name.to_lowercase();
    let limit = (n_chars / 3).max(2);
    let is_near_in_length = |candidate: &&str| {
        // The first looks at no text: one candidate can be half a file.
        candidate.len() <= 4 * (n_chars + limit)
            && candidate.chars().count().abs_diff(n_chars) <= limit
    };
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .take(MAX_CANDIDATES)
        .filter(is_near_in_length)
        .take(MAX_COMPARED)
        .map(|candidate| {
            (
                strsim::osa_distance(&folded, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.chars().count())
        .collect();
    near.sort();
    near.dedup();
    // Beside a near miss, one that is two edits further away only distracts.
    let nearest = near.first().map_or(0, |(distance, _)| *distance);
    near.retain(|(distance, _)| *distance <= nearest + 1);
    near.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_nearest_first() {
        let names = ["sizeInMB", "name", "cleanOnRoleRecycle"];
        assert_eq!(
            did_you_mean("sizeInMb", names).as_deref(),
            Some("did you mean `sizeInMB`?")
        );
        assert_eq!(
            did_you_mean("nmae", names).as_deref(),
            Some("did you mean `name`?")
        );
        let both = did_you_mean("Task", ["Tasks", "Tusk"]);
        assert_eq!(both.as_deref(), Some("did you mean `Tasks` or `Tusk`?"));
    }

    #[test]
    fn far_names_are_not_offered() {
        assert_eq!(did_you_mean("Imports", ["Runtime", "Startup"]), None);
        assert_eq!(did_you_mean("ab", ["xy"]), None);
        assert_eq!(did_you_mean("x", []), None);
        let long = "x".repeat(MAX_NAME_CHARS + 1);
        assert_eq!(did_you_mean(&long, [long.as_str()]), None);
    }
}
