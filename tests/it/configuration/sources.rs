//! The settings as they stand in the sources, which rustfmt keeps in one shape: structs that refuse unknown
//! fields, a field a line, its doc comment above it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A struct of settings.
#[derive(Debug, Default)]
pub struct Settings {
    /// Its doc comment.
    pub text: String,
    pub fields: Vec<Field>,
}

/// A field of a struct of settings.
#[derive(Debug)]
pub struct Field {
    /// As it is written in the configuration file.
    pub name: String,
    /// The Rust type.
    pub of_type: String,
    /// Its doc comment.
    pub text: String,
}

/// All structs of settings by name, and the variants of enums.
#[derive(Debug, Default)]
pub struct Sources {
    structs: BTreeMap<String, Settings>,
    enums: BTreeMap<String, Vec<String>>,
}

impl Sources {
    /// Reads the sources of the workspace.
    pub fn read(root: &Path) -> Self {
        let mut sources = Self::default();
        let folders = ["src", "crates", "proto", "ingester", "querier", "compactor", "store-gateway"];
        folders.iter().for_each(|folder| sources.read_folder(&root.join(folder)));
        sources
    }

    /// A struct by its name.
    pub fn settings(&self, name: &str) -> Option<&Settings> {
        self.structs.get(name)
    }

    /// The variants of an enum, as they are written in the configuration file.
    pub fn variants(&self, name: &str) -> Option<&[String]> {
        self.enums.get(name).map(Vec::as_slice)
    }

    fn read_folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.read_folder(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.read_file(&fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn read_file(&mut self, text: &str) {
        let mut lines = text.lines();
        let (mut docs, mut attributes) = (String::new(), String::new());
        while let Some(line) = lines.next() {
            if let Some(text) = line.strip_prefix("/// ") {
                add_line(&mut docs, text);
            } else if line.starts_with("#[") {
                attributes.push_str(line);
            } else {
                let settings = attributes.contains("deny_unknown_fields");
                if let Some(name) = opened(line, "pub struct ").filter(|_| settings) {
                    let fields = fields(&mut lines, attributes.contains("kebab-case"));
                    let found = Settings { text: std::mem::take(&mut docs), fields };
                    assert!(self.structs.insert(name.to_owned(), found).is_none(), "two settings {name}");
                } else if let Some(name) =
                    opened(line, "pub enum ").filter(|_| attributes.contains("lowercase"))
                {
                    let body = lines.by_ref().take_while(|line| *line != "}");
                    let variants = body.filter_map(|line| line.trim().strip_suffix(','));
                    self.enums.insert(name.to_owned(), variants.map(str::to_lowercase).collect());
                }
                docs.clear();
                attributes.clear();
            }
        }
    }
}

fn opened<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    line.strip_prefix(keyword)?.strip_suffix(" {")
}

fn add_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(line);
}

/// The fields up to the end of the struct, but for those that are not settings.
fn fields<'a>(lines: &mut impl Iterator<Item = &'a str>, kebab: bool) -> Vec<Field> {
    let (mut fields, mut docs, mut is_skipped) = (Vec::new(), String::new(), false);
    for line in lines.take_while(|line| *line != "}") {
        let line = line.trim();
        if let Some(text) = line.strip_prefix("/// ") {
            add_line(&mut docs, text);
        } else if line == "#[serde(skip)]" {
            is_skipped = true;
        } else if let Some((name, of_type)) =
            line.strip_prefix("pub ").and_then(|field| field.split_once(": "))
        {
            let name = if kebab { name.replace('_', "-") } else { name.to_owned() };
            let of_type = of_type.trim_end_matches(',').to_owned();
            let field = Field { name, of_type, text: std::mem::take(&mut docs) };
            fields.extend((!std::mem::take(&mut is_skipped)).then_some(field));
        }
    }
    fields
}
