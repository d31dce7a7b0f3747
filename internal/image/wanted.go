package image

// wanted is the table of the files that the pass reads.
func wanted() []Interest {
	return append([]Interest{
		{Directory: "etc", Name: "os-release", Keep: keepRelease},
		{Directory: "usr/lib", Name: "os-release", Keep: keepRelease},
		{Directory: "etc", Name: "passwd", Most: 1 << 20, Keep: keepUsers},
	}, packageInterests()...)
}

var keepRelease = keepFields("=", "ID", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME", "NAME")
