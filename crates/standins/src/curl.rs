//! The copy-paste `curl` of a signed LINE webhook.

use crate::sign;

/// A command for a POSIX shell that posts exactly `body` with the signature that belongs to it.
#[must_use]
pub fn curl(secret: &str, url: &str, body: &str) -> String {
    post(url, "X-Line-Signature", &sign::line(secret, body.as_bytes()), body)
}

/// A command that posts exactly `body` with one header beside the content type.
pub(crate) fn post(url: &str, header: &str, value: &str, body: &str) -> String {
    format!(
        "curl -sS -i {} \\\n  -H 'Content-Type: application/json' \\\n  -H {} \\\n  --data-binary {}",
        quoted(url),
        quoted(&format!("{header}: {value}")),
        quoted(body)
    )
}

/// A word in single quotes, whatever it holds.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a shell hands to a program of that name, one argument a line.
    pub(crate) async fn arguments(command: &str) -> Vec<String> {
        let script = format!("curl() {{ for a in \"$@\"; do printf '%s\\0' \"$a\"; done; }}\n{command}");
        let output = tokio::process::Command::new("sh").args(["-c", &script]).output().await.unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_shell_posts_the_signed_bytes() {
        let body = r#"{"destination":"U0","events":[{"text":"it's สวัสดี $HOME `x` \n !"}]}"#;
        let arguments = arguments(&curl("s'ecret", "http://127.0.0.1:8080/webhooks/line/demo", body)).await;
        let signature = format!("X-Line-Signature: {}", sign::line("s'ecret", body.as_bytes()));
        assert_eq!(arguments[2], "http://127.0.0.1:8080/webhooks/line/demo");
        assert!(arguments.contains(&signature), "{arguments:?}");
        assert_eq!(arguments.last().unwrap(), body);
    }
}
