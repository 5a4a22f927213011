//! GUIDs, tags and the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mask::Masker;
use schemas::Framing;

use super::*;

const KEY: &[u8] = b"a key for tests";

#[derive(Default)]
struct Table {
    known: BTreeSet<String>,
    aliases: BTreeMap<String, String>,
}

impl People for Table {
    fn find(&self, guid: &str) -> Entry {
        match self.aliases.get(guid) {
            Some(person) => Entry::AliasOf(person.clone()),
            None if self.known.contains(guid) => Entry::Person,
            None => Entry::Nothing,
        }
    }
}

fn step(people: Table) -> Identify<Table> {
    let settings = Settings {
        source: platforms::of_unnamed(),
        routes: BTreeMap::new(),
        hold_ms: 0,
        together: false,
        hold_spooled_ms: 0,
        masker: Arc::new(Masker::built_in()),
        mask_agent_texts: false,
        keys: None,
        identity_key: KEY.to_vec(),
        framings: schemas::Framings::single_object(),
    };
    Identify::new(&settings, people)
}

fn account(name: &str) -> AccountRef {
    AccountRef::new("line", name)
}

fn guid_of(name: &str, address: &str) -> String {
    person_guid(KEY, &account(name), address)
}

fn from(address: &str, speaker: Speaker) -> Party {
    Party::Customer { address: address.into(), speaker }
}

/// GUID, who speaks and what was written.
fn run(step: &mut Identify<Table>, party: &Party) -> (String, Option<Member>, Vec<Output>) {
    let mut out = Vec::new();
    let Identified { guid, member } = step.identify(&account("th"), party, &mut out);
    (guid, member, out)
}

/// A change here makes every person a stranger. The expected values were computed with another tool.
#[test]
fn guids_are_the_same_for_ever() {
    let cases = [
        (KEY, "line-th", "U11111111111111111111111111111111", "76563679-a367-881a-902c-ea61feb64295"),
        (KEY, "line-jp", "U11111111111111111111111111111111", "e0092a8f-3ed4-8a26-bd50-783b8e5325a0"),
        (
            &b"another key"[..],
            "line-th",
            "U11111111111111111111111111111111",
            "0629d7da-815a-8b76-b0c5-45ce7893d9b0",
        ),
    ];
    for (key, account, address, expected) in cases {
        assert_eq!(person_guid(key, &self::account(account), address), expected);
    }
}

#[test]
fn guids_are_of_version_8() {
    let guid = Uuid::try_parse(&guid_of("th", "U1")).unwrap();
    assert_eq!((guid.get_version_num(), guid.get_variant()), (8, uuid::Variant::RFC4122));
}

#[test]
fn a_person_is_written_once_and_never_where_the_table_has_them() {
    let mut step = step(Table { known: BTreeSet::from([guid_of("th", "Uold")]), ..Table::default() });
    assert!(run(&mut step, &from("Uold", Speaker::Alone)).2.is_empty());
    let (guid, _, out) = run(&mut step, &from("Unew", Speaker::Alone));
    let [output] = &out[..] else { panic!("one record") };
    assert_eq!((output.topic, &*output.key), ("state.identity", guid.as_bytes()));
    let entry = Codec::<IdentityEntry>::new(&Framing::single_object()).decode(&output.value).unwrap();
    let person = entry.person.unwrap();
    assert_eq!((&*person.channel, &*person.account, &*person.address), ("line", "th", "Unew"));
    assert_eq!((entry.guid, entry.alias_of), (guid, None));
    assert!(run(&mut step, &from("Unew", Speaker::Alone)).2.is_empty());
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut step = step(Table::default());
    step.remembered = 2;
    let mut written = |address| run(&mut step, &from(address, Speaker::Alone)).2.len();
    assert_eq!([written("a"), written("b"), written("a"), written("c"), written("a")], [1, 1, 0, 1, 1]);
}

#[test]
fn aliases_are_followed_both_ways_and_a_circle_ends() {
    let (old, new) = (guid_of("th", "U1"), "b".to_owned());
    let aliases = [(old.clone(), "a".to_owned()), ("a".into(), new.clone()), ("x".into(), "x".into())];
    let mut step = step(Table { aliases: aliases.into(), ..Table::default() });
    let (guid, _, out) = run(&mut step, &from("U1", Speaker::Alone));
    assert_eq!(guid, new);
    assert!(out.is_empty(), "the entry of an alias is not overwritten");
    let agent = |guid: &str| Party::Agent { person: guid.into() };
    assert_eq!(run(&mut step, &agent(&old)).0, new);
    assert_eq!(run(&mut step, &agent("x")).0, "x");
    assert_eq!(run(&mut step, &agent("stranger")).0, "stranger");
}

#[test]
fn members_of_a_group_are_told_apart_without_their_ids() {
    let mut step = step(Table::default());
    let member = |user: &str| Speaker::Member(user.into());
    let (group, anna, _) = run(&mut step, &from("C1", member("Uanna")));
    let (same, bert, _) = run(&mut step, &from("C1", member("Ubert")));
    let (_, elsewhere, _) = run(&mut step, &from("C2", member("Uanna")));
    assert_eq!(group, same, "the conversation is the group's");
    assert!(anna != bert && anna != elsewhere);
    assert!(matches!(anna, Some(Member::Tagged(tag)) if tag.len() == MEMBER_TAG_HEX));
    assert_eq!(run(&mut step, &from("C1", Speaker::Unnamed)).1, Some(Member::Unnamed));
    assert_eq!(run(&mut step, &from("U1", Speaker::Alone)).1, None);
}
