CREATE TABLE taxonomy (
    id INTEGER PRIMARY KEY,
    remote_id TEXT UNIQUE,
    slug TEXT NOT NULL UNIQUE,
    uses BIGINT NOT NULL
);
