//! `naru mask`: masks what it reads, line by line. It is how an operator tries a rule.

use std::io::{self, BufRead, Write};
use std::path::Path;

use mask::{Found, Masker};
use serde::Serialize;

use crate::Failure;
use crate::cli::MaskArguments;

/// What is printed of a line.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Masked { masked: &'a str, found: Vec<Place<'a>> },
    Unreadable { error: String },
}

/// Something that was found, in Unicode characters.
#[derive(Serialize)]
struct Place<'a> {
    kind: &'a str,
    start: usize,
    /// Exclusive.
    end: usize,
}

/// The built-in rules, or those with a user's own.
pub(crate) fn masker(own: Option<&Path>) -> Result<Masker, Failure> {
    let Some(file) = own else { return Ok(Masker::built_in()) };
    let rules = std::fs::read_to_string(file);
    let rules = rules.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    Masker::with_rules(&rules).map_err(|error| Failure::Usage(format!("{}:\n{error}", file.display())))
}

/// Reads standard input to its end. A line that is not UTF-8 is told in its place, and the rest goes on.
pub(crate) fn mask(arguments: &MaskArguments) -> Result<(), Failure> {
    let masker = masker(arguments.rules.as_deref())?;
    match lines(&masker, io::stdin().lock(), &mut io::stdout().lock(), arguments.text) {
        Ok(0) => Ok(()),
        Ok(unreadable) => Err(Failure::Failed(format!("lines that are not UTF-8: {unreadable}"))),
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(error)),
    }
}

/// Gives the number of lines that are not UTF-8.
fn lines(
    masker: &Masker,
    mut input: impl BufRead,
    output: &mut impl Write,
    only_text: bool,
) -> io::Result<u64> {
    let mut bytes = Vec::new();
    let mut unreadable = 0;
    for number in 1_u64.. {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let told = match std::str::from_utf8(line) {
            Ok(text) if only_text => {
                writeln!(output, "{}", masker.mask(text))?;
                continue;
            }
            Ok(text) => {
                let masked = masker.mask(text);
                let found = places(text, &masker.find(text));
                serde_json::to_string(&Line::Masked { masked: &masked, found })
            }
            Err(error) => {
                unreadable += 1;
                let error = format!("line {number}: not UTF-8 from byte {} on", error.valid_up_to());
                serde_json::to_string(&Line::Unreadable { error })
            }
        };
        writeln!(output, "{}", told.map_err(io::Error::other)?)?;
    }
    output.flush()?;
    Ok(unreadable)
}

/// Bytes as characters. What is found comes in order, so the text is counted once.
fn places<'a>(text: &str, found: &[Found<'a>]) -> Vec<Place<'a>> {
    let (mut bytes, mut characters) = (0, 0);
    let mut count = |to: usize| {
        characters += text[bytes..to].chars().count();
        bytes = to;
        characters
    };
    found
        .iter()
        .map(|found| Place { kind: found.kind, start: count(found.start), end: count(found.end) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(input: &[u8], only_text: bool) -> (String, u64) {
        let mut output = Vec::new();
        let unreadable = lines(&Masker::built_in(), input, &mut output, only_text).unwrap();
        (String::from_utf8(output).unwrap(), unreadable)
    }

    #[test]
    fn a_line_is_an_object_with_places_in_characters() {
        let (output, unreadable) = masked("카드 4532-0151-1283-0366\n\n안녕".as_bytes(), false);
        let expected = concat!(
            r#"{"masked":"카드 ****-****-****-0366","found":[{"kind":"payment_card","start":3,"end":22}]}"#,
            "\n",
            r#"{"masked":"","found":[]}"#,
            "\n",
            r#"{"masked":"안녕","found":[]}"#,
            "\n"
        );
        assert_eq!((output.as_str(), unreadable), (expected, 0));
    }

    #[test]
    fn a_line_that_is_not_utf_8_is_told_and_the_rest_goes_on() {
        let (output, unreadable) = masked(b"ab\xFFc\r\n010-1234-5678\r\n", false);
        let expected = concat!(
            r#"{"error":"line 1: not UTF-8 from byte 2 on"}"#,
            "\n",
            r#"{"masked":"***-****-5678","found":[{"kind":"phone","start":0,"end":13}]}"#,
            "\n"
        );
        assert_eq!((output.as_str(), unreadable), (expected, 1));
    }

    #[test]
    fn the_text_alone_is_the_masked_lines() {
        assert_eq!(masked("a 010-1234-5678 b\nc\n".as_bytes(), true).0, "a ***-****-5678 b\nc\n");
    }
}
