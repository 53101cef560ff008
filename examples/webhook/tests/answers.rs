//! What each request is answered.

#![allow(clippy::unwrap_used)] // all of it is a test, the functions between the tests too

mod server;

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::SqlitePool;

use self::server::{Answer, Server, request, send};

const POST: &str = "POST /taxonomy";
const PATCH: &str = "PATCH /taxonomy/rock";
const GET: &str = "GET /taxonomy/rock";

impl Server {
    async fn ask(&self, what: &str, if_match: Option<&str>, body: &str) -> Answer {
        send(self.address, &request(what, if_match, body)).await
    }

    /// The status of the answer.
    async fn status(&self, what: &str, if_match: Option<&str>, body: &Value) -> u16 {
        self.ask(what, if_match, &body.to_string()).await.status
    }
}

fn rock(version: i64) -> Value {
    json!({"remote_id": "r1", "slug": "rock", "name": "Rock", "description": "loud", "version": version})
}

#[tokio::test]
async fn a_version_is_stored_once_and_never_an_older_one() {
    let server = Server::start(Duration::from_secs(5)).await;
    let created = server.ask(POST, None, &rock(2).to_string()).await;
    assert_eq!(
        (created.status, created.header("etag")),
        (201, Some("\"2\""))
    );
    assert_eq!(server.status(POST, None, &rock(2)).await, 200);
    assert_eq!(server.status(POST, None, &rock(1)).await, 412);
    assert_eq!(server.status(POST, None, &rock(3)).await, 200);
    assert_eq!(
        server.ask(GET, None, "").await.header("etag"),
        Some("\"3\"")
    );
    server.stop().await;
}

#[tokio::test]
async fn if_match_names_what_must_be_stored() {
    let server = Server::start(Duration::from_secs(5)).await;
    for tag in ["*", "\"1\""] {
        assert_eq!(server.status(POST, Some(tag), &rock(1)).await, 412, "{tag}");
    }
    assert_eq!(server.ask(GET, None, "").await.status, 404);
    assert_eq!(server.status(POST, None, &rock(1)).await, 201);
    for tag in ["\"2\"", "1", "W/\"1\"", "\"x\"", ""] {
        assert_eq!(server.status(POST, Some(tag), &rock(2)).await, 412, "{tag}");
        let patch = json!({"name": "Roll", "version": 2});
        assert_eq!(server.status(PATCH, Some(tag), &patch).await, 412, "{tag}");
    }
    assert_eq!(
        server.status(POST, Some("\"0\", \"1\""), &rock(2)).await,
        200
    );
    assert_eq!(server.status(POST, Some("*"), &rock(3)).await, 200);
    let patch = json!({"name": "Roll", "version": 4});
    assert_eq!(server.status(PATCH, Some("\"3\""), &patch).await, 200);
    assert_eq!(server.status(PATCH, Some("\"3\""), &patch).await, 412);
    server.stop().await;
}

#[tokio::test]
async fn a_patch_leaves_alone_what_is_absent_and_null_erases() {
    let server = Server::start(Duration::from_secs(5)).await;
    let patch = json!({"name": "Roll", "version": 2});
    assert_eq!(server.status(PATCH, None, &patch).await, 404);
    assert_eq!(server.status(POST, None, &rock(1)).await, 201);
    let row = |answer: Answer| serde_json::from_str::<Value>(&answer.body).unwrap();

    let patched = server.ask(PATCH, None, &patch.to_string()).await;
    assert_eq!(patched.header("etag"), Some("\"2\""));
    let patched = row(patched);
    assert_eq!(
        (&patched["name"], &patched["description"]),
        (&json!("Roll"), &json!("loud"))
    );
    let erase = json!({"description": null, "version": 3}).to_string();
    let erased = row(server.ask(PATCH, None, &erase).await);
    assert_eq!(
        (&erased["name"], &erased["description"]),
        (&json!("Roll"), &Value::Null)
    );

    assert_eq!(
        server.status(PATCH, None, &patch).await,
        412,
        "an older one"
    );
    for unfit in [
        json!({"name": "Roll"}),
        json!({"heading": "Roll", "version": 4}),
        json!({"name": null, "version": 4}),
        json!({"slug": " ", "version": 4}),
    ] {
        assert_eq!(server.status(PATCH, None, &unfit).await, 422, "{unfit}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_sent_what_is_wrong_is_told_so_without_a_value() {
    let server = Server::start(Duration::from_secs(5)).await;
    assert_eq!(server.status(POST, None, &rock(1)).await, 201);
    for (body, status) in [
        ("{\"slug\":\"secret\"".to_owned(), 400),
        (
            "{\"slug\":\"secret\", \"name\":\"secret\",\"version\":\"secret\"}".to_owned(),
            422,
        ),
        (
            "{\"slug\":\"secret\",\"version\":1,\"secret\":1,\"name\":\"\"}".to_owned(),
            422,
        ),
        (
            json!({"slug": " ", "name": "secret", "version": 1}).to_string(),
            422,
        ),
        // By its remote id it is another record than the one that has its slug.
        (
            json!({"remote_id": "secret", "slug": "rock", "name": "secret", "version": 2})
                .to_string(),
            409,
        ),
    ] {
        let answer = server.ask(POST, None, &body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert!(!answer.body.contains("secret"), "{answer:?}");
        assert!(answer.body.starts_with("{\"error\":"), "{answer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_meets_a_lock_is_asked_to_come_again() {
    let server = Server::start(Duration::from_millis(50)).await;
    let pool = SqlitePool::connect_with(server.database()).await.unwrap();
    let tx = upsert_runtime::begin(&pool).await.unwrap();
    let answer = server.ask(POST, None, &rock(1).to_string()).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("1")),
        "{answer:?}"
    );
    tx.rollback().await.unwrap();
    assert_eq!(server.status(POST, None, &rock(1)).await, 201);
    server.stop().await;
}
