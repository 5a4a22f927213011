//! `naru keys`: the key ring's file, on the disk.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use keys::{KeyRing, Secret};
use runtime::clock;

use crate::Failure;
use crate::cli::KeysCommand;
use crate::random::random;

/// Runs one of the commands.
#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) fn run(command: &KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Init { file, if_missing } => {
            if *if_missing && file.exists() {
                let ring = read(file)?.1;
                println!(
                    "{}: there is a key ring already, {} seals",
                    file.display(),
                    ring.ids().last().unwrap_or_default()
                );
                return Ok(());
            }
            let added = KeyRing::add(None, &today(), &Secret(random())).map_err(Failure::failed)?;
            create(file, &added.file)?;
            println!("{}: a key ring with the key {}; keep a copy of it", file.display(), added.id);
        }
        KeysCommand::List { file } => {
            let ring = read(file)?.1;
            let last = ring.ids().count();
            for (number, id) in (1..).zip(ring.ids()) {
                println!("{id}{}", if number == last { "  seals" } else { "" });
            }
        }
        KeysCommand::Rotate { file } => {
            let added =
                KeyRing::add(Some(&read(file)?.0), &today(), &Secret(random())).map_err(Failure::failed)?;
            replace(file, &added.file)?;
            println!(
                "{}: the key {} seals from the next start of each service on; give the file to all of them first",
                file.display(),
                added.id
            );
        }
        KeysCommand::Export { file, id } => {
            let secret = read(file)?.1.export(id);
            let missing =
                || Failure::Failed(format!("{}: no key {id}; `naru keys list` shows them", file.display()));
            println!("{}", secret.ok_or_else(missing)?);
        }
    }
    Ok(())
}

/// A ring of a new key that is kept nowhere, for `naru dev`.
pub(crate) fn passing() -> KeyRing {
    KeyRing::of(&today(), Secret(random()))
}

/// The day in UTC, as `2026-11-24`.
fn today() -> String {
    clock::iso(clock::now_ms()).split('T').next().unwrap_or_default().to_owned()
}

fn read(file: &Path) -> Result<(String, KeyRing), Failure> {
    let told = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| told(&error))?;
    let ring = KeyRing::parse(&text).map_err(|error| told(&error))?;
    Ok((text, ring))
}

/// Writes a file that only its owner can read.
fn create(file: &Path, text: &str) -> Result<(), Failure> {
    write_new(file, text).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Failed(format!(
            "{}: there is a file already; `naru keys rotate` adds a key to a ring",
            file.display()
        )),
        _ => Failure::Failed(format!("{}: {error}", file.display())),
    })
}

fn write_new(file: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(file)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()
}

/// Puts a new file in the place of the old one, which stays whole if anything fails.
fn replace(file: &Path, text: &str) -> Result<(), Failure> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let replaced = fs::remove_file(beside)
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
        .and_then(|()| write_new(beside, text))
        .and_then(|()| fs::rename(beside, file));
    replaced.map_err(|error| Failure::Failed(format!("{}: {error}", file.display())))
}
