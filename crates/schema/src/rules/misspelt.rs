//! Names of two files that do not match, and of those the ones that are one name misspelt; not a rule itself.
//!
//! A name that one file lacks and one that the other does not know are one mistake when they are near each
//! other. It is reported once, where it was misspelt.

use crate::findings::MAX_FINDINGS;
use crate::spanned::Spanned;
use crate::suggest::nearest;

/// Names that do not match.
pub(super) struct Mismatch<'t> {
    /// Names that the other file lacks, without those that it has misspelt.
    pub(super) missing: Vec<Spanned<&'t str>>,
    /// Names that nobody knows, each with the one that was probably meant.
    pub(super) unknown: Vec<(Spanned<&'t str>, Option<Spanned<&'t str>>)>,
}

impl<'t> Mismatch<'t> {
    /// Pairs each unknown name with the nearest one that is missing.
    pub(super) fn new(
        mut missing: Vec<Spanned<&'t str>>,
        unknown: impl IntoIterator<Item = Spanned<&'t str>>,
    ) -> Mismatch<'t> {
        let unknown = unknown.into_iter().enumerate();
        let unknown = unknown.map(|(i, name)| {
            // More are not listed anyway, and every search takes time.
            let meant = (i < MAX_FINDINGS)
                .then(|| nearest(name.value, missing.iter().map(|name| name.value)))
                .flatten()
                .and_then(|meant| missing.iter().position(|name| name.value == meant));
            (name, meant.map(|meant| missing.remove(meant)))
        });
        let unknown = unknown.collect();
        Mismatch { missing, unknown }
    }
}
