//! Types of a user's own making, which PostgreSQL knows by names.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgPool, PgTypeInfo, PgValueRef};
use upsert_runtime::{Key, LockedUpsert, Report, Stored};

use crate::Db;

tests![
    a_composite_type on ["postgres"],
    names_that_need_quotes on ["postgres"],
    a_schema_out_of_the_search_path on ["postgres"],
    domains on ["postgres"],
    an_array_in_a_key on ["postgres"],
    arrays_of_an_enum on ["postgres"],
];

/// Imports on connections that have not met the types yet.
async fn import<M: Stored<sqlx::Postgres>>(db: &Db, records: Vec<M::New>) -> Report<M> {
    let pool = PgPool::connect(&db.url()).await.expect("a pool");
    let report = M::import(records).changes(true).run(&pool).await;
    pool.close().await;
    report.unwrap_or_else(|error| panic!("{error}"))
}

/// The records are created; then are unchanged; then, as `change` makes them, the first is updated and the second unchanged.
async fn three_times<M>(db: &Db, records: [M::New; 2], change: impl Fn(&mut M::New))
where
    M: Stored<sqlx::Postgres>,
    M::New: Clone,
{
    let report = import::<M>(db, records.to_vec()).await;
    assert_eq!(report.created, 2, "{report} {:?}", report.failed);
    let report = import::<M>(db, records.to_vec()).await;
    assert_eq!(report.unchanged, 2, "{report} {:?}", report.failed);
    let [mut first, second] = records;
    change(&mut first);
    let report = import::<M>(db, vec![first, second]).await;
    let counts = (report.updated, report.unchanged);
    assert_eq!(counts, (1, 1), "{report} {:?}", report.failed);
}

#[derive(Debug, Clone, PartialEq, sqlx::Type)]
#[sqlx(type_name = "address")]
struct Address {
    street: String,
    number: Option<i32>,
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Shop {
    id: i64,
    slug: String,
    address: Address,
    second: Option<Address>,
}

async fn a_composite_type(db: Db) {
    db.run("CREATE TYPE address AS (street text, number integer)")
        .await;
    db.run("CREATE TABLE shop (id {id}, slug text NOT NULL UNIQUE, address address NOT NULL, second address)")
        .await;
    let address = |number| Address {
        street: "Main \"Street\", (1)".to_owned(),
        number,
    };
    let records = [("a", Some(1)), ("b", None)].map(|(slug, number)| NewShop {
        slug: slug.to_owned(),
        address: address(number),
        second: number.map(|_| address(None)),
    });
    three_times::<Shop>(&db, records, |shop| shop.address.number = Some(7)).await;
    let numbers = db
        .texts("SELECT (address).number::text FROM shop ORDER BY slug")
        .await;
    assert_eq!(numbers, ["7", "NULL"]);
}

/// sqlx's derive calls the type as the enum is called, and finds it with quotes and without.
mod quoted {
    use super::LockedUpsert;

    #[derive(Debug, Clone, Copy, PartialEq, sqlx::Type)]
    pub(super) enum Mood {
        Calm,
        Wild,
    }

    #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    #[lookup(slug)]
    pub(super) struct Song {
        pub(super) id: i64,
        pub(super) slug: String,
        pub(super) mood: Mood,
        pub(super) other: Option<Mood>,
    }
}

async fn names_that_need_quotes(db: Db) {
    use quoted::{Mood, NewSong, Song};

    let records = || {
        [("a", Mood::Calm), ("b", Mood::Wild)].map(|(slug, mood)| NewSong {
            slug: slug.to_owned(),
            mood,
            other: None,
        })
    };
    for name in ["\"Mood\"", "mood"] {
        db.run(&format!("CREATE TYPE {name} AS ENUM ('Calm', 'Wild')"))
            .await;
        db.run(&format!(
            "CREATE TABLE song (id {{id}}, slug text NOT NULL UNIQUE, mood {name} NOT NULL, other {name})"
        ))
        .await;
        three_times::<Song>(&db, records(), |song| song.other = Some(Mood::Wild)).await;
        db.run(&format!("DROP TABLE song; DROP TYPE {name}")).await;
    }
}

mod elsewhere {
    use super::LockedUpsert;

    #[derive(Debug, Clone, Copy, PartialEq, sqlx::Type)]
    #[sqlx(type_name = "music.\"Mood of it\"")]
    pub(super) enum Mood {
        Calm,
        Wild,
    }

    #[derive(Debug, Clone, PartialEq, LockedUpsert)]
    #[lookup(slug)]
    pub(super) struct Song {
        pub(super) id: i64,
        pub(super) slug: String,
        pub(super) mood: Mood,
    }
}

async fn a_schema_out_of_the_search_path(db: Db) {
    use elsewhere::{Mood, NewSong, Song};

    db.run("CREATE SCHEMA music; CREATE TYPE music.\"Mood of it\" AS ENUM ('Calm', 'Wild')")
        .await;
    db.run("CREATE TABLE song (id {id}, slug text NOT NULL UNIQUE, mood music.\"Mood of it\" NOT NULL)")
        .await;
    let records = ["a", "b"].map(|slug| NewSong {
        slug: slug.to_owned(),
        mood: Mood::Calm,
    });
    three_times::<Song>(&db, records, |song| song.mood = Mood::Wild).await;
}

/// A domain by its name. Of a column the server tells the type below it.
#[derive(Debug, Clone, PartialEq)]
struct Code(String);

impl sqlx::Type<sqlx::Postgres> for Code {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("code")
    }

    fn compatible(info: &PgTypeInfo) -> bool {
        <String as sqlx::Type<sqlx::Postgres>>::compatible(info)
    }
}

impl sqlx::Encode<'_, sqlx::Postgres> for Code {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <String as sqlx::Encode<'_, sqlx::Postgres>>::encode_by_ref(&self.0, buffer)
    }
}

impl sqlx::Decode<'_, sqlx::Postgres> for Code {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        <String as sqlx::Decode<'_, sqlx::Postgres>>::decode(value).map(Self)
    }
}

impl Key for Code {
    fn is_blank(&self) -> bool {
        self.0.is_blank()
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(code, (code, list))]
struct Coded {
    id: i64,
    code: Code,
    list: i64,
    uses: i64,
}

async fn domains(db: Db) {
    db.run("CREATE DOMAIN code AS text CHECK (VALUE <> ''); CREATE DOMAIN uses AS bigint")
        .await;
    db.run(
        "CREATE TABLE coded (id {id}, code code NOT NULL UNIQUE, list bigint NOT NULL, uses uses NOT NULL, \
         UNIQUE (code, list))",
    )
    .await;
    let records = ["a", "b"].map(|code| NewCoded {
        code: Code(code.to_owned()),
        list: 1,
        uses: 0,
    });
    three_times::<Coded>(&db, records, |coded| coded.uses = 1).await;
}

/// An array by a name of its own.
#[derive(Debug, Clone, PartialEq, sqlx::Type)]
#[sqlx(transparent, no_pg_array)]
struct Numbers(Vec<i32>);

impl Key for Numbers {
    fn is_blank(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(numbers, (site, others))]
struct Drawn {
    id: i64,
    numbers: Option<Numbers>,
    site: i64,
    others: Numbers,
    name: String,
}

async fn an_array_in_a_key(db: Db) {
    db.run(
        "CREATE TABLE drawn (id {id}, numbers integer[] UNIQUE, site bigint NOT NULL, others integer[] NOT NULL, \
         name text NOT NULL, UNIQUE (site, others))",
    )
    .await;
    let drawn = |n: i32| NewDrawn {
        numbers: Some(Numbers(vec![n, n + 1])),
        site: 1,
        others: Numbers((0..=n).collect()),
        name: "a".to_owned(),
    };
    three_times::<Drawn>(&db, [drawn(1), drawn(2)], |drawn| {
        "b".clone_into(&mut drawn.name);
    })
    .await;
    // Found by the second key.
    let records = [1, 2].map(|n| NewDrawn {
        numbers: None,
        ..drawn(n)
    });
    let report = import::<Drawn>(&db, records.to_vec()).await;
    assert_eq!((report.updated, report.unchanged), (1, 1), "{report}");
    // They exchange their keys.
    let records = [drawn(1), drawn(2)];
    let [one, two] = records.each_ref().map(|record| record.others.clone());
    let [mut first, mut second] = records;
    (first.others, second.others) = (two, one);
    let report = import::<Drawn>(&db, vec![first, second]).await;
    assert_eq!(
        (report.updated, report.failed.len()),
        (2, 0),
        "{report} {:?}",
        report.failed
    );
}

#[derive(Debug, Clone, Copy, PartialEq, sqlx::Type)]
#[sqlx(type_name = "\"Tag\"")]
enum Tag {
    Old,
    New,
}

#[derive(Debug, Clone, PartialEq, LockedUpsert)]
#[lookup(slug)]
struct Tagged {
    id: i64,
    slug: String,
    tags: Vec<Tag>,
    tag: Tag,
}

async fn arrays_of_an_enum(db: Db) {
    db.run("CREATE TYPE \"Tag\" AS ENUM ('Old', 'New')").await;
    db.run("CREATE TABLE tagged (id {id}, slug text NOT NULL UNIQUE, tags \"Tag\"[] NOT NULL, tag \"Tag\" NOT NULL)")
        .await;
    let records = ["a", "b"].map(|slug| NewTagged {
        slug: slug.to_owned(),
        tags: vec![Tag::Old, Tag::New],
        tag: Tag::Old,
    });
    three_times::<Tagged>(&db, records, |tagged| tagged.tags.clear()).await;
}
