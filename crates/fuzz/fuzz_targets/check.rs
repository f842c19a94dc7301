//! A definition and a configuration, split at a marker: checking and rendering never panic, every place
//! lies inside its file, and a service comes out exactly when no finding is an error.

#![no_main]

use diagnostics::{Finding, Label, Sources, Style, render_human};
use libfuzzer_sys::fuzz_target;

/// Stands between the two files; no XML has it outside a text or a value.
const MARKER: &[u8] = b"\n%%%%\n";

/// Findings that are rendered: enough for the many kinds, few enough for the speed.
const N_RENDERED: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.windows(MARKER.len()).position(|here| here == MARKER);
    let (definition, configuration) = match at {
        Some(at) => (&bytes[..at], &bytes[at + MARKER.len()..]),
        None => (bytes, &b""[..]),
    };
    let mut sources = Sources::new();
    let definition = schema::load(&mut sources, "a.csdef", Ok(definition.to_vec()));
    let configuration = schema::load(&mut sources, "a.cscfg", Ok(configuration.to_vec()));
    let (Ok(definition), Ok(configuration)) = (definition, configuration) else {
        return;
    };
    let both = schema::check(&sources, definition, configuration);
    assert_sound(&sources, &both.findings);
    assert_eq!(both.service.is_none(), has_error(&both.findings));
    let alone = schema::check_definition(&sources, definition);
    assert_sound(&sources, &alone.findings);
    assert_eq!(alone.definition.is_none(), has_error(&alone.findings));
    assert_sound(
        &sources,
        &schema::check_files(&sources, None, &[configuration]),
    );
});

fn has_error(findings: &[Finding]) -> bool {
    findings.iter().any(Finding::is_error)
}

fn assert_sound(sources: &Sources, findings: &[Finding]) {
    for finding in findings {
        assert_inside(sources, &finding.primary);
        finding
            .related
            .iter()
            .for_each(|label| assert_inside(sources, label));
    }
    let some = &findings[..findings.len().min(N_RENDERED)];
    assert_eq!(
        render_human(sources, some, Style::Plain).is_empty(),
        some.is_empty()
    );
}

fn assert_inside(sources: &Sources, label: &Label) {
    let text = sources.file(label.file).text();
    assert!(
        text.get(label.span.start..label.span.end).is_some(),
        "{label:?}"
    );
}
