//! The README's commands, run as they stand there, against a `naru dev` of their own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{naru, root, text};

/// For `naru dev` to greet: it joins three consumer groups.
const GREETS: Duration = Duration::from_secs(60);
/// From a webhook's answer to its message at the other side.
const CROSSES: Duration = Duration::from_secs(4);

/// A `naru dev` that ends with the test.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The `sh` blocks of the README, in order, with another address.
fn blocks(address: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README is there");
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| block.replace("127.0.0.1:8080", address)).collect()
}

fn shell(script: &str) -> String {
    let output = Command::new("bash").args(["-euc", script]).output().expect("bash runs");
    assert!(output.status.success(), "{script}\n{}", text(&output.stderr));
    text(&output.stdout)
}

fn until(what: &str, within: Duration, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_message_and_its_answer_cross_as_the_readme_says() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let address = format!("127.0.0.1:{port}");
    let mut child = naru()
        .args(["dev", "--listen", &address, "--quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let _dev = Dev(child);
    let begin = Instant::now();
    let greeted = lines.map_while(Result::ok).any(|line| line.starts_with("Send a message yourself"));
    assert!(greeted && begin.elapsed() < GREETS);

    let [send, at_genesys, answer, at_line, send_own, answer_own, at_own] = &blocks(&address)[..] else {
        panic!("the README has seven blocks")
    };
    let count = |script: &str, part: &str| shell(script).matches(part).count();

    assert!(shell(send).starts_with("HTTP/1.1 200"));
    until("the message is at Genesys", CROSSES, || count(at_genesys, "สวัสดี 🙏") == 1);
    assert!(!shell(at_genesys).contains("U11111111111111111111111111111111"), "Genesys sees a GUID only");

    // The same request again: the script's own body has another second in it, so it is kept.
    let (prepare, post) = send.split_once("curl").expect("the block sends");
    let twice =
        format!("{prepare}curl{post}sleep 0.1\ncurl{post}curl{}", post.replace("\"$BODY\"", "\"$BODY \""));
    let answers = shell(&twice.replace("01FZ74A0TDDPYRVKNK77XKC3ZR", "01FZ74A0TDDPYRVKNK77XKC3ZS"));
    let statuses: Vec<&str> = answers.lines().filter(|line| line.starts_with("HTTP/1.1")).collect();
    assert_eq!(statuses, ["HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 401 Unauthorized"]);
    until("the second message is at Genesys", CROSSES, || count(at_genesys, "สวัสดี 🙏") == 2);

    // "To whoever wrote last" may be somebody of the demo by now; the answer arrives all the same.
    assert!(shell(answer).starts_with("HTTP/1.1 200"));
    until("the answer is at LINE", CROSSES, || count(at_line, "ยินดีค่ะ") >= 1);
    assert_eq!(count(at_genesys, "สวัสดี 🙏"), 2, "the redelivery has added nothing");

    // A channel of your own.
    assert!(shell(send_own).starts_with("HTTP/1.1 202"));
    until("the visitor's message is at Genesys", CROSSES, || {
        count(at_genesys, "배송 문의 ***-****-5678") == 1
    });
    let seen = shell(at_genesys);
    assert!(!seen.contains("visitor-77") && !seen.contains("010-1234"), "Genesys sees a GUID and a mask");
    assert!(shell(answer_own).starts_with("HTTP/1.1 200"));
    until("the answer is at the visitor", CROSSES, || count(at_own, "내일 도착합니다") > 0);
    let arrived = shell(at_own);
    let entry = arrived.split('{').find(|entry| entry.contains("내일 도착합니다")).unwrap_or_default();
    assert!(entry.contains("visitor-77"), "{arrived}");
}

#[test]
fn masking_prints_what_the_readme_shows() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README is there");
    let (_, rest) = readme.split_once("```bash\n").expect("the block with the commands");
    let (commands, rest) = rest.split_once("```\n").expect("it ends");
    let (_, rest) = rest.split_once("```text\n").expect("the block with their output");
    let (output, _) = rest.split_once("```\n").expect("it ends");
    let binary = format!("{:?}", env!("CARGO_BIN_EXE_naru"));
    assert_eq!(shell(&commands.replace("cargo run --release --", &binary)), output);
}
