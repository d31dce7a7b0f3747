package store

// migrations make the tables: each those of a version from the one before it.
// Times are seconds since 1970.
var migrations = []string{`
CREATE TABLE cache (
	key   TEXT PRIMARY KEY,
	value BLOB NOT NULL,
	size  INTEGER NOT NULL,
	used  INTEGER NOT NULL
);
CREATE INDEX cache_by_use ON cache (used, size);
`, `
CREATE TABLE image (
	id        INTEGER PRIMARY KEY,
	config    TEXT NOT NULL UNIQUE,
	platform  TEXT NOT NULL,
	version   TEXT NOT NULL, -- of the analyzers
	inventory BLOB NOT NULL,
	found     TEXT,          -- digest of what was found last; NULL before the first matching
	first     INTEGER NOT NULL,
	last      INTEGER NOT NULL
);
CREATE TABLE sighting (
	reference TEXT NOT NULL,
	platform  TEXT NOT NULL,
	image     INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
	manifest  TEXT NOT NULL,
	indexed   TEXT NOT NULL,
	first     INTEGER NOT NULL,
	last      INTEGER NOT NULL,
	turn      INTEGER NOT NULL, -- counts sightings, so that the last one is known whatever the clock says
	PRIMARY KEY (reference, platform, image)
);
CREATE INDEX sighting_of_image ON sighting (image);
CREATE TABLE finding (
	image         INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
	ecosystem     TEXT NOT NULL,
	package       TEXT NOT NULL,
	version       TEXT NOT NULL,
	vulnerability TEXT NOT NULL,
	severity      TEXT NOT NULL,
	state         TEXT NOT NULL,
	fixed         TEXT NOT NULL,
	since         INTEGER NOT NULL,
	fix           INTEGER,
	gone          INTEGER,
	PRIMARY KEY (image, ecosystem, package, version, vulnerability)
) WITHOUT ROWID;
`, `
ALTER TABLE image ADD COLUMN unjudged TEXT NOT NULL DEFAULT ''; -- why the last matching does not say it all
`}
