package image

import (
	"strings"
	"time"
)

// endOfSupport holds the last day on which a release gets security updates from
// its makers without a contract: for Debian long-term support counts, for Ubuntu
// standard support, for RHEL and what is rebuilt from it maintenance support. By
// the state of the sources in November 2026:
//
//   - Debian, Ubuntu: the package distro-info-data, columns eol-lts and eol
//   - Alpine: alpinelinux.org/releases
//   - RHEL: access.redhat.com/support/policy/updates/errata
//   - CentOS: centos.org/cl-vs-cs and wiki.centos.org/About/Product
//   - Rocky Linux: wiki.rockylinux.org/rocky/version
//   - AlmaLinux: wiki.almalinux.org/release-notes
//   - Amazon Linux: aws.amazon.com/amazon-linux-2/faqs and the user guide of 2023
var endOfSupport = map[string]map[string]string{
	"debian": {
		"7": "2018-05-31", "8": "2020-06-30", "9": "2022-06-30", "10": "2024-06-30",
		"11": "2026-08-31", "12": "2028-06-30", "13": "2030-06-30"},
	"ubuntu": {
		"14.04": "2019-04-25", "14.10": "2015-07-23", "15.04": "2016-02-04", "15.10": "2016-07-28",
		"16.04": "2021-04-30", "16.10": "2017-07-20", "17.04": "2018-01-13", "17.10": "2018-07-19",
		"18.04": "2023-05-31", "18.10": "2019-07-18", "19.04": "2020-01-23", "19.10": "2020-07-17",
		"20.04": "2025-05-29", "20.10": "2021-07-22", "21.04": "2022-01-20", "21.10": "2022-07-14",
		"22.04": "2027-06-01", "22.10": "2023-07-20", "23.04": "2024-01-25", "23.10": "2024-07-11",
		"24.04": "2029-05-31", "24.10": "2025-07-10", "25.04": "2026-01-15", "25.10": "2026-07-09",
		"26.04": "2031-05-29", "26.10": "2027-07-15",
	},
	"alpine": {
		"3.10": "2021-05-01", "3.11": "2021-11-01", "3.12": "2022-05-01", "3.13": "2022-11-01",
		"3.14": "2023-05-01", "3.15": "2023-11-01", "3.16": "2024-05-23", "3.17": "2024-11-22",
		"3.18": "2025-05-09", "3.19": "2025-11-01", "3.20": "2026-04-01", "3.21": "2026-11-01",
		"3.22": "2027-05-01", "3.23": "2027-11-01",
	},
	"rhel":          {"6": "2020-11-30", "7": "2024-06-30", "8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
	"centos":        {"6": "2020-11-30", "7": "2024-06-30", "8": "2021-12-31"},
	"centos stream": {"8": "2024-05-31", "9": "2027-05-31"},
	"rocky":         {"8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
	"almalinux":     {"8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
	"amzn":          {"2018.03": "2023-12-31", "2": "2026-06-30", "2023": "2029-06-30"},
}

// EndOfSupport gives the last day, in UTC, on which the release gets security
// updates. It is false for a release that is not known, or has no date yet: that
// is no promise of support.
func (d Distro) EndOfSupport() (time.Time, bool) {
	id := d.ID
	if id == "centos" && strings.Contains(d.Name, "Stream") {
		id = "centos stream"
	}
	day, ok := endOfSupport[id][d.release()]
	if !ok {
		return time.Time{}, false
	}
	end, err := time.Parse(time.DateOnly, day)
	return end, err == nil
}

// release is the part of the version that support is given for: 3.20 of Alpine's
// 3.20.3, 9 of RHEL's 9.4.
func (d Distro) release() string {
	parts := strings.Split(d.Version, ".")
	switch d.ID {
	case "alpine":
		return strings.Join(parts[:min(2, len(parts))], ".")
	case "ubuntu":
		return d.Version
	case "amzn":
		if parts[0] == "2018" {
			return d.Version
		}
	}
	return parts[0]
}
