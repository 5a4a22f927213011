//! The machinery on a small schema.

use super::*;

/// A shop with branches: what a core and a crate beside it would declare.
fn schema() -> Schema {
    const BRANCH: [Field; 4] = [
        Field::new("<branch>.phone", Kind::Text, Fallback::Required, "\"02-000-0000\"", "Where it is called"),
        Field::new("<branch>.open", Kind::Flag, Fallback::Value("true"), "", "Whether it is open"),
        Field::new("<branch>.cameras", Kind::Networks, Fallback::Absent, "[\"10.0.0.0/8\"]", "Its cameras")
            .shown(Shown::On),
        Field::new("<branch>.labels.<label>", Kind::Text, Fallback::Absent, "floor = \"3\"", "Any texts"),
    ];
    let core = [
        Field::new("shop.name", Kind::Name, Fallback::HostName, "", "Its name"),
        Field::new(
            "shop.client.<property>",
            Kind::Text,
            Fallback::Absent,
            "\"a.b\" = \"c\"",
            "Its client's properties",
        ),
        Field::new(
            "shop.tls.key",
            Kind::Secret { min: (4, "give at least 4") },
            Fallback::Absent,
            "\"abcd\"",
            "Its key",
        )
        .shown(Shown::WithoutSection),
    ];
    let moved = vec![
        Moved { from: "name", to: "shop.name" },
        Moved { from: "offices.<branch>.telephone", to: "branch.<branch>.phone" },
    ];
    let fields = core.into_iter().chain(BRANCH.iter().map(|field| field.under("branch"))).collect();
    Schema::new(fields, moved).shown_as("branch.<branch>", "branch.old-town")
}

/// The mistakes of a text and of variables, with what a reader of every branch finds.
fn mistakes(text: &str, variables: &[(&str, &str)]) -> String {
    let schema = schema();
    let mut environment = Environment::of([]);
    environment.variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut reader = match Reader::new(text, &schema, &environment) {
        Ok(reader) => reader,
        Err(mistakes) => return mistakes.to_string(),
    };
    reader.named("branch", |r, name| {
        r.text(&["branch", name, "phone"]);
        r.flag(&["branch", name, "open"]);
        r.networks(&["branch", name, "cameras"]);
        r.texts(&["branch", name, "labels"]);
    });
    reader.finish(()).map_or_else(|mistakes| mistakes.to_string(), |()| String::new())
}

#[test]
fn the_example_shows_every_key_once() {
    let expected = "\
# Head.

[shop]
# Its name (default: the host name).
# name = \"naru-0\"

[shop.client]
# Its client's properties.
# \"a.b\" = \"c\"

# [shop.tls]
# Its key.
# key = \"abcd\"

[branch.old-town]
# Where it is called (required).
phone = \"02-000-0000\"
# Whether it is open.
# open = true
# Its cameras.
cameras = [\"10.0.0.0/8\"]

[branch.old-town.labels]
# Any texts.
# floor = \"3\"
";
    assert_eq!(example(&schema(), "# Head.\n"), expected);
    assert_eq!(mistakes(expected, &[]), "");
}

#[test]
fn a_reader_gives_what_file_environment_and_defaults_say() {
    let schema = schema();
    let environment = Environment::of([
        ("NARU_SHOP__CLIENT__A_B", "1"),
        ("NARU_BRANCH__OLD_TOWN__OPEN", "false"),
        ("NARU_BRANCH__OLD_TOWN__LABELS__MAIN_FLOOR", "3"),
        ("NARU_BRANCH__OLD_TOWN__CAMERAS", "10.0.0.0/8, fd00::1"),
    ]);
    let text = "shop.client.c.d = \"2\"\n[branch.old-town]\nphone = \"1\"\n[branch.new]\nphone = \"2\"\nlabels.a = \"b\"";
    let mut reader = Reader::new(text, &schema, &environment).expect("TOML");
    assert_eq!(reader.text(&["shop", "name"]), "localhost");
    assert_eq!(reader.keys(&["shop", "client"]), ["a.b", "c.d"]);
    assert_eq!(reader.names("branch"), ["new", "old-town"]);
    let open = reader.named("branch", |r, name| r.flag(&["branch", name, "open"]));
    assert_eq!(open.into_values().collect::<Vec<_>>(), [true, false]);
    let cameras = reader.networks(&["branch", "old-town", "cameras"]);
    assert_eq!(cameras.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "fd00::1/128"]);
    assert!(reader.networks(&["branch", "new", "cameras"]).is_empty());
    let labels = reader.named("branch", |r, name| r.texts(&["branch", name, "labels"]));
    assert_eq!(format!("{labels:?}"), r#"{"new": {"a": "b"}, "old-town": {"main_floor": "3"}}"#);
    reader.finish(()).expect("nothing is wrong");
}

#[test]
fn what_has_moved_is_one_mistake_with_its_new_place() {
    let text = "name = 7\n[offices.old-town]\ntelephone = \"1\"\n[offices.new]\nphone = \"2\"";
    let variables = [
        ("NARU_NAME", "x"),
        ("NARU_OFFICES__OLD_TOWN__TELEPHONE", "1"),
        ("NARU_OFFICES__NEW__TELEPHONE", ""),
        ("NARU_OFFICES__NEW", "1"),
    ];
    assert_eq!(
        mistakes(text, &variables),
        "NARU_NAME: has moved; set NARU_SHOP__NAME\n\
         NARU_OFFICES__NEW: unknown environment variable; `naru config example` shows every key\n\
         NARU_OFFICES__OLD_TOWN__TELEPHONE: has moved; set NARU_BRANCH__OLD_TOWN__PHONE\n\
         name: has moved; write shop.name\n\
         offices.new.phone: unknown key; `naru config example` shows every key\n\
         offices.old-town.telephone: has moved; write branch.old-town.phone"
    );
    let schema = schema();
    assert!(schema.is_environment_name("NARU_SHOP__NAME") && schema.is_environment_name("NARU_LOG"));
    assert!(!schema.is_environment_name("NARU_NAME"));
}

#[test]
fn flags_networks_and_free_texts_have_their_mistakes() {
    let text =
        "[branch.A]\nphone = \"1\"\nopen = \"yes\"\ncameras = [\"10.0.0.1/8\", \"x\", \"\"]\nlabels.a = 1";
    assert_eq!(
        mistakes(text, &[]),
        "branch.A: not a name; use 1 to 40 of a-z, 0-9 and -\n\
         branch.A.open: is a text; give true or false\n\
         branch.A.cameras[0]: 10.0.0.1/8 is an address within a network; write 10.0.0.0/8 for the network or 10.0.0.1 \
         for the address\n\
         branch.A.cameras[1]: not a network: x; write an IP address or a network, such as \"192.0.2.7\" or \
         \"10.0.0.0/8\"\n\
         branch.A.cameras[2]: empty; give a text, or leave the key out\n\
         branch.A.labels.a: is a whole number; give a text in quotes"
    );
}

#[test]
fn rows_are_found_by_concrete_paths() {
    let schema = schema();
    let path = |at: &[&str]| schema.field(at).map(|field| field.path.to_string());
    assert_eq!(path(&["branch", "old-town", "open"]).as_deref(), Some("branch.<branch>.open"));
    assert_eq!(path(&["shop", "client", "a.b"]).as_deref(), Some("shop.client.<property>"));
    assert_eq!(path(&["shop", "tls"]), None);
    assert_eq!(path(&["shop", "tls", "key", "x"]), None);
    let names: Vec<_> = schema.fields().iter().map(Field::environment_name).collect();
    assert_eq!(
        names[1..4],
        ["NARU_SHOP__CLIENT__<PROPERTY>", "NARU_SHOP__TLS__KEY", "NARU_BRANCH__<BRANCH>__PHONE"]
    );
}

#[test]
fn a_secret_is_not_in_the_mistakes() {
    let schema = schema();
    let environment = Environment::of([("NARU_SHOP__TLS__KEY", "abc")]);
    let mut reader = Reader::new("", &schema, &environment).expect("TOML");
    assert_eq!(reader.secret(&["shop", "tls", "key"]).reveal(), "");
    let mistakes = reader.finish(()).expect_err("too short").to_string();
    assert_eq!(mistakes, "shop.tls.key (set by NARU_SHOP__TLS__KEY): 3 characters; give at least 4");
}
