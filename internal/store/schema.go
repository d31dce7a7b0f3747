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
`, `
ALTER TABLE image ADD COLUMN open TEXT NOT NULL DEFAULT ''; -- what was not judged, one a line: * is all, else ecosystems and single vulnerabilities
UPDATE image SET open = '*' WHERE unjudged <> '';
CREATE TABLE digest ( -- all under which an image was seen: of indexes, manifests and its configuration
	digest TEXT NOT NULL,
	image  INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
	PRIMARY KEY (digest, image)
) WITHOUT ROWID;
CREATE INDEX digest_of_image ON digest (image);
INSERT INTO digest SELECT config, id FROM image UNION SELECT manifest, image FROM sighting WHERE manifest <> '' UNION SELECT indexed, image FROM sighting WHERE indexed <> '';
CREATE TABLE look ( -- the last one at what runs in a cluster
	cluster TEXT PRIMARY KEY,
	name    TEXT NOT NULL,
	at      INTEGER NOT NULL,
	gap     TEXT NOT NULL -- why there may be more
) WITHOUT ROWID;
CREATE TABLE run ( -- an image in the containers of a workload
	cluster    TEXT NOT NULL REFERENCES look (cluster) ON DELETE CASCADE,
	namespace  TEXT NOT NULL,
	workload   TEXT NOT NULL,
	container  TEXT NOT NULL,
	digest     TEXT NOT NULL,
	platform   TEXT NOT NULL, -- of the nodes, '' when not known
	reference  TEXT NOT NULL,
	containers INTEGER NOT NULL,
	first      INTEGER NOT NULL,
	last       INTEGER NOT NULL,
	gone       INTEGER,       -- the first look that did not find it
	PRIMARY KEY (cluster, workload, container, digest, platform)
) WITHOUT ROWID;
CREATE INDEX run_of_digest ON run (digest);
`, `
CREATE TABLE behavior ( -- what a container was seen to do
	id         INTEGER PRIMARY KEY,
	subject    TEXT NOT NULL UNIQUE,
	normalizer INTEGER NOT NULL, -- version of the rules that its facts are written by
	coverage   BLOB NOT NULL,
	last       INTEGER NOT NULL  -- when it was told of
);
CREATE INDEX behavior_by_last ON behavior (last);
CREATE TABLE fact (
	behavior INTEGER NOT NULL REFERENCES behavior (id) ON DELETE CASCADE,
	fact     TEXT NOT NULL,
	seen     TEXT NOT NULL,
	PRIMARY KEY (behavior, fact)
) WITHOUT ROWID;
`, `
ALTER TABLE behavior ADD COLUMN weighed INTEGER NOT NULL DEFAULT 0; -- whether weight is filled
CREATE TABLE weight ( -- how many facts are below one that they may fold into
	behavior INTEGER NOT NULL REFERENCES behavior (id) ON DELETE CASCADE,
	fact     TEXT NOT NULL,
	facts    INTEGER NOT NULL,
	PRIMARY KEY (behavior, fact)
) WITHOUT ROWID;
CREATE TABLE watched ( -- intervals that are not in the coverage of the behavior yet, or are longer now
	behavior INTEGER NOT NULL REFERENCES behavior (id) ON DELETE CASCADE,
	began    TEXT NOT NULL, -- what the interval is known by
	interval TEXT NOT NULL,
	PRIMARY KEY (behavior, began)
) WITHOUT ROWID;
`}
