//! docs/configuration.md is made of the doc comments of the settings, the defaults and the flags' help. With
//! `LATEWOOD_WRITE_GOLDEN` set it is written anew.

mod reference;
mod sources;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use reference::Reference;
use sources::Sources;

/// What the binary prints.
fn latewood(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_latewood")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn reference() -> Reference {
    let defaults: Value = serde_saphyr::from_str(&latewood(&["config", "--defaults"])).unwrap();
    Reference::new(&Sources::read(Path::new(env!("CARGO_MANIFEST_DIR"))), &defaults)
}

#[test]
fn the_reference_is_what_the_settings_say_of_themselves() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let made = reference().to_markdown(&latewood);
    if std::env::var_os("LATEWOOD_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &made).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(made == committed, "docs/configuration.md is old: run this test with LATEWOOD_WRITE_GOLDEN=1");
    assert_eq!(latewood(&["config", "--reference"]), committed);
}

#[test]
fn every_setting_says_what_it_is() {
    let reference = reference();
    assert!(reference.fields() > 100, "the settings were not found: {} of them", reference.fields());
    assert_eq!(reference.without_text(), [""; 0]);
    assert_eq!(reference.without_source(), [""; 0]);
}
