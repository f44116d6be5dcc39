//! Lean's own syntax: import headers and names.

use crate::mathlib::Module;
use crate::mathlib::header::{HeaderError, imports};
use crate::workspace::name::{self, Name};

/// The text of a Lean file.
///
/// Line ends do not count, what comes after the header does not either, and the modules that are
/// found are those of a header that imports them one by one.
pub fn header(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let found = imports(source);
    let place = |error: HeaderError| (error.line, error.reason);

    // A name with a line end in it, or a column after a `\r`, is another one.
    if !source.contains('\r') && !found.iter().flatten().any(|m| m.to_string().contains('\n')) {
        let crlf = imports(&source.replace('\n', "\r\n"));
        assert_eq!(crlf.map_err(place), found.clone().map_err(place), "with `\\r\\n`");
    }
    let Ok(found) = found else { return };
    assert_eq!(imports(&format!("{source}\nend\n")).as_ref(), Ok(&found), "it has a body");

    let is_readable = |module: &Module| Module::parse(&module.to_string()).as_ref() == Some(module);
    let readable: Vec<_> = found.into_iter().filter(is_readable).collect();
    let plain: String = readable.iter().map(|module| format!("import {module}\n")).collect();
    assert_eq!(imports(&plain), Ok(readable), "{plain}");
}

/// The name of a package or of a module.
///
/// What a name prints is read back as that name, and a module's path never leads out of where
/// modules lie.
pub fn name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let printed = Name::new(text);
    assert_eq!(printed.plain(), name::plain(printed.as_str()));
    // What Lean takes for pseudo-syntax it prints as it is, whatever stands around it.
    if !text.contains(['#', '?', '✝']) {
        assert_eq!(Name::new(printed.as_str()), printed, "it is read back");
        assert!(!name::is_legal(text) || name::is_legal(printed.as_str()), "{printed}");
    }
    if let Some(module) = Module::parse(text) {
        assert_eq!(module.to_string(), text);
        assert!(!module.hashed_path().is_empty());
    }
}
