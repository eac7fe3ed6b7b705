//! The reference: sections of fields, in the order of the configuration file.

use std::fmt::Write;

use serde_json::Value;

use super::sources::{Field, Sources};

const HEAD: &str = "\
# Configuration

Every setting with its default, and the flags of every role. A configuration file is YAML (`--config FILE`) and holds what
differs from the defaults; flags win over it; an unknown key is refused, naming the nearest known one.
`latewood config --defaults` prints a whole file, `latewood config --config FILE` what would be used, and
`latewood config --reference` this page, which is made of the settings' doc comments: edit those.

Credentials are never settings: they come from the environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`) or from the machine's
identity.
";

/// A struct of settings at its place in the file.
struct Section {
    /// Names from the root, joined by dots; empty at the root.
    path: String,
    text: String,
    rows: Vec<Row>,
}

/// A setting.
struct Row {
    name: String,
    of_type: String,
    default: String,
    text: String,
}

/// All settings.
pub struct Reference {
    sections: Vec<Section>,
    /// Settings of the defaults that were not found in the sources.
    without_source: Vec<String>,
}

impl Reference {
    /// Follows the settings from the root through the sources and the defaults at once.
    pub fn new(sources: &Sources, defaults: &Value) -> Self {
        let mut reference = Self { sections: Vec::new(), without_source: Vec::new() };
        reference.add(sources, "Config", "", "", defaults);
        reference
    }

    fn add(&mut self, sources: &Sources, of_type: &str, path: &str, text: &str, defaults: &Value) {
        let settings = sources.settings(of_type).unwrap_or_else(|| panic!("no settings {of_type}"));
        let object = defaults.as_object().unwrap_or_else(|| panic!("{path} is no section"));
        let named = |key: &String| settings.fields.iter().any(|field| field.name == *key);
        self.without_source.extend(object.keys().filter(|key| !named(key)).map(|key| join(path, key)));
        let at = self.sections.len();
        let text = if text.is_empty() { settings.text.clone() } else { text.to_owned() };
        self.sections.push(Section { path: path.to_owned(), text, rows: Vec::new() });
        for field in &settings.fields {
            let default = object.get(&field.name);
            let default = default.unwrap_or_else(|| panic!("{path}.{} has no default", field.name));
            if sources.settings(&field.of_type).is_some() {
                let below = join(path, &field.name);
                self.add(sources, &field.of_type, &below, &field.text, default);
            } else {
                let row = row(sources, field, default);
                self.sections[at].rows.push(row);
            }
        }
    }

    /// How many settings.
    pub fn fields(&self) -> usize {
        self.sections.iter().map(|section| section.rows.len()).sum()
    }

    /// The settings and sections that do not say what they are.
    pub fn without_text(&self) -> Vec<String> {
        let of = |section: &Section| {
            let rows = section.rows.iter().filter(|row| row.text.is_empty());
            let mut found: Vec<String> = rows.map(|row| join(&section.path, &row.name)).collect();
            found.extend(section.text.is_empty().then(|| section.path.clone()));
            found
        };
        self.sections.iter().flat_map(of).collect()
    }

    /// The settings that the program has and the sources do not.
    pub fn without_source(&self) -> &[String] {
        &self.without_source
    }

    /// The page. `help` is what the binary prints.
    pub fn to_markdown(&self, help: &dyn Fn(&[&str]) -> String) -> String {
        let mut out = HEAD.to_owned();
        out.push_str("\n## Flags\n");
        for (role, title) in
            [("all", "`all`, `ingester`, `store-gateway`, `compactor`"), ("querier", "`querier`")]
        {
            let printed = help(&[role, "--help"]);
            let (_, options) = printed.split_once("Options:\n").expect("options");
            write!(out, "\n### {title}\n\n```text\n{}\n```\n", options.trim_end()).unwrap();
        }
        self.sections.iter().for_each(|section| section.write(&mut out));
        out
    }
}

impl Section {
    fn write(&self, out: &mut String) {
        let title = if self.path.is_empty() { "At the root".to_owned() } else { format!("`{}`", self.path) };
        write!(out, "\n## {title}\n\n{}\n", self.text).unwrap();
        if self.rows.is_empty() {
            return;
        }
        out.push_str("\n| setting | type | default | what it is |\n|---|---|---|---|\n");
        for Row { name, of_type, default, text } in &self.rows {
            let text = text.replace('|', "\\|");
            writeln!(out, "| `{name}` | {of_type} | {default} | {text} |").unwrap();
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn row(sources: &Sources, field: &Field, default: &Value) -> Row {
    let default = match default {
        Value::Null => "none".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Number(number) if field.name.contains("bytes") => {
            format!("`{number}`{}", number.as_u64().map(in_units).unwrap_or_default())
        }
        other => format!("`{}`", other.to_string().replace("\",\"", "\", \"")),
    };
    let (name, text) = (field.name.clone(), field.text.clone());
    Row { name, of_type: words(sources, &field.of_type), default, text }
}

/// A number of bytes as people say it, where it is a round one.
fn in_units(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(bits, _)| bytes > 0 && bytes.is_multiple_of(1 << bits));
    unit.map_or(String::new(), |(bits, name)| format!(" ({} {name})", bytes >> bits))
}

/// A Rust type in words.
fn words(sources: &Sources, of_type: &str) -> String {
    let inside = |outer: &str| of_type.strip_prefix(outer)?.strip_suffix('>');
    if let Some(inner) = inside("Option<") {
        return words(sources, inner);
    }
    if let Some(inner) = inside("Vec<") {
        let one = words(sources, inner);
        return format!("list of {one}{}", if one.ends_with('s') { "es" } else { "s" });
    }
    if inside("BTreeMap<String, ").is_some_and(|section| sources.settings(section).is_some()) {
        return "sections by name".to_owned();
    }
    if let Some(variants) = sources.variants(of_type) {
        return variants.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
    }
    let known = match of_type {
        "u64" | "u32" | "usize" | "i32" | "i64" => "integer",
        "f64" => "number",
        "bool" => "boolean",
        "String" => "text",
        "PathBuf" => "path",
        "ListenAddr" | "PeerAddr" | "SocketAddr" => "address",
        "Duration" => "duration",
        "SourceResolution" => "`auto`, resolution or duration",
        other => panic!("say in words what {other} is"),
    };
    known.to_owned()
}
