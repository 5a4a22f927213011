//! Programs of this package that start the product's processes without another binary: they are the product when
//! they are called by its name.

use std::path::{Path, PathBuf};

use crate::Outcome;

const NAME: &str = "naru";

/// Whether this process was started as the product.
#[must_use]
pub fn is_product() -> bool {
    std::env::args_os()
        .next()
        .is_some_and(|name| Path::new(&name).file_name().is_some_and(|name| name == NAME))
}

/// A link in `folder` to this program, under the product's name.
///
/// # Errors
/// If it cannot be made.
pub fn product_in(folder: &Path) -> Outcome<PathBuf> {
    let link = folder.join(NAME);
    let program = std::env::current_exe().map_err(|error| format!("this program's own file: {error}"))?;
    std::os::unix::fs::symlink(program, &link).map_err(|error| format!("{}: {error}", link.display()))?;
    Ok(link)
}
