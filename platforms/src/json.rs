//! Reading JSON of platforms: a few fields of it without a tree, and leniently, so that one odd field does not cost the
//! message.

pub(crate) mod loose;
pub(crate) mod pick;
