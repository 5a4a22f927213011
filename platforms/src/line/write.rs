//! Writing for LINE: everything as text, in the objects of one push or of several.

use schemas::{Content, Member};

use super::split::{MESSAGE_OBJECTS, TEXT_UNITS, split};
use crate::{Part, readable};

/// The pushes of a message, in order. LINE refuses a whole push for one blank object, so there is none.
pub(super) fn write(member: Option<&Member>, contents: &[Content]) -> Vec<Part> {
    let text = readable::lines(member, contents);
    let texts: Vec<&str> = split(&text, TEXT_UNITS).filter(|piece| !piece.trim().is_empty()).collect();
    let part = |texts: &[&str]| texts.iter().map(|text| Content::Text { text: (*text).to_owned() }).collect();
    texts.chunks(MESSAGE_OBJECTS).map(part).collect()
}
