//! The command line.

use std::path::{Path, PathBuf};

use crate::pair::Pair;
use crate::programs::Programs;
use crate::topics;

const USAGE: &str = "\
usage: differential --base DIR [--new DIR] [--only TOPIC,TOPIC] [--seed NUMBER] [--packets NUMBER] [--show NUMBER] [--spoil PART]

  --base DIR       where lobbyd and lobbyctl of the older build are
  --new DIR        where those under test are; by default beside this program
  --only TOPICS    only these topics
  --seed NUMBER    makes the same packets again; by default 1
  --packets NUMBER over each driver; by default 10000
  --show NUMBER    of the differences of each topic; by default 12
  --spoil PART     changes a part of one observation (body, wire, \"exit status\", \"header content-type\", …), to see
                   that the run fails then";

/// What a run is to do.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) programs: Pair<Programs>,
    pub(crate) only: Vec<String>,
    pub(crate) seed: u64,
    pub(crate) packets: usize,
    /// Differences to show of each topic.
    pub(crate) show: usize,
    pub(crate) spoil: Option<String>,
}

impl Options {
    /// Reads the command line of this process.
    ///
    /// # Errors
    /// What is wrong with it, and how it is used.
    pub(crate) fn read() -> Result<Self, String> {
        Self::parse(std::env::args().skip(1)).map_err(|error| format!("{error}\n\n{}", usage()))
    }

    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut base, mut new) = (None, beside_this_program()?);
        let (mut only, mut seed, mut packets) = (Vec::new(), 1, 10_000);
        let (mut show, mut spoil) = (12, None);
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} wants a value"))?;
            match word.as_str() {
                "--base" => base = Some(PathBuf::from(value)),
                "--new" => new = PathBuf::from(value),
                "--only" => only = known_topics(&value)?,
                "--seed" => seed = value.parse().map_err(|_| format!("{value} is not a seed"))?,
                "--packets" => packets = number(&value)?,
                "--show" => show = number(&value)?,
                "--spoil" => spoil = Some(value),
                other => return Err(format!("{other} is not an option")),
            }
        }
        let base = base.ok_or("--base is missing")?;
        let programs = Pair { old: Programs::of(&base)?, new: Programs::of(&new)? };
        Ok(Self { programs, only, seed, packets, show, spoil })
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn known_topics(list: &str) -> Result<Vec<String>, String> {
    let topics: Vec<String> = list.split(',').map(str::to_owned).collect();
    match topics.iter().find(|topic| topics::ALL.iter().all(|(name, _)| name != topic)) {
        Some(unknown) => Err(format!("{unknown} is not a topic")),
        None => Ok(topics),
    }
}

fn usage() -> String {
    let topics: Vec<_> = topics::ALL.iter().map(|(name, _)| *name).collect();
    format!("{USAGE}\n\ntopics: {}", topics.join(", "))
}

fn beside_this_program() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(program.parent().unwrap_or(Path::new(".")).to_owned())
}
