//! What a tool says, and whether all was well.

use std::io::{ErrorKind, Write};

/// What a tool says at its end.
#[derive(Debug, Default)]
pub struct Report {
    /// What it was asked for: whole lines for standard output.
    pub text: String,
    /// What is wrong or was not done.
    wrong: Vec<String>,
}

impl Report {
    /// Adds a line for standard output.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Says what is wrong or was not done; the tool then ends with exit code 1.
    pub fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    /// How much is wrong.
    pub fn wrongs(&self) -> usize {
        self.wrong.len()
    }

    /// Prints it: what was asked for and then, on standard error, what is wrong.
    ///
    /// # Errors
    /// When anything is wrong.
    pub fn print(self) -> anyhow::Result<()> {
        match std::io::stdout().write_all(self.text.as_bytes()) {
            // Who reads on has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written?,
        }
        for line in &self.wrong {
            eprintln!("{line}");
        }
        match self.wrong.len() {
            0 => Ok(()),
            1 => anyhow::bail!("one thing is wrong"),
            many => anyhow::bail!("{many} things are wrong"),
        }
    }
}

/// Says on standard error how far a tool is.
pub fn progress(text: &str) {
    eprintln!("{text}");
}
