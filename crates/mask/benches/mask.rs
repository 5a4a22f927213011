//! Speed of the masker: on a chat, and on what costs it most.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mask::Masker;

#[path = "../examples/mask_corpus/mod.rs"]
#[allow(dead_code, reason = "a bench needs the lines and no score")]
mod corpus;

use corpus::Part;

const MEGABYTE: usize = 1_000_000;
/// Lines of talk for each line of the corpus: seven of ten lines of a chat are without any digit.
const TALK_OF_TEN: usize = 7;

/// What most of a chat is.
const TALK: &[&str] = &[
    "안녕하세요",
    "네 감사합니다 좋은 하루 되세요",
    "배송이 너무 늦어서 취소하고 싶은데 어떻게 하면 되나요?",
    "사진 보내드렸어요 확인 부탁드립니다 🙏",
    "ㅋㅋㅋ 알겠습니다",
    "こんにちは、商品がまだ届いていないのですが確認していただけますか？",
    "ありがとうございます！助かりました",
    "はい、大丈夫です",
    "請問這個顏色還有貨嗎?",
    "謝謝你的幫忙😊",
    "好的,我再等等看",
    "สวัสดีค่ะ สอบถามเรื่องการจัดส่งสินค้าหน่อยค่ะ",
    "ขอบคุณมากนะคะ 🙏",
    "ได้ครับ เดี๋ยวรอแจ้งอีกทีนะครับ",
    "hello, is anybody there?",
    "Thanks a lot, that works for me. Have a nice day!",
    "The colour is not what I expected, can I send it back?",
    "ok",
];

/// About a megabyte: talk, and what only looks personal. With a few lines that are.
fn chat() -> Vec<String> {
    let mut corpus = corpus::lines(Part::Development, 20_000)
        .into_iter()
        .filter(|line| line.labels.is_empty() || line.text.len() % 8 == 0)
        .map(|line| line.text);
    let mut lines = Vec::new();
    let mut bytes = 0;
    for number in 0.. {
        let line = if number % 10 < TALK_OF_TEN {
            TALK[number % TALK.len()].to_owned()
        } else {
            corpus.next().expect("the corpus has enough lines")
        };
        bytes += line.len();
        lines.push(line);
        if bytes >= MEGABYTE {
            break;
        }
    }
    lines
}

fn benches(c: &mut Criterion) {
    let masker = Masker::built_in();
    let mut group = c.benchmark_group("mask");
    group.sample_size(20);
    let chat = chat();
    let bytes: usize = chat.iter().map(String::len).sum();
    group.throughput(Throughput::BytesDecimal(bytes as u64));
    group.bench_function("chat, line by line", |b| {
        b.iter(|| chat.iter().map(|line| masker.mask(line).len()).sum::<usize>());
    });
    for (name, text) in [
        ("a line of short numbers", "1234 ".repeat(MEGABYTE / 5)),
        ("a line of digits", "1234567890".repeat(MEGABYTE / 10)),
        ("a line of telephone numbers", "010-1234-5678 ".repeat(MEGABYTE / 14)),
    ] {
        group.throughput(Throughput::BytesDecimal(text.len() as u64));
        group.bench_function(name, |b| b.iter(|| masker.mask(&text).len()));
    }
    group.finish();
}

#[allow(missing_docs, reason = "criterion's macro makes a public function")]
mod group {
    use super::{benches, criterion_group};
    criterion_group!(all, benches);
}

criterion_main!(group::all);
