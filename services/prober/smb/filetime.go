package smb

import "time"

// Source: [MS-DTYP] 2.3.3, FILETIME: intervals of 100 ns since 1601.
const (
	fileTimePerSecond = 10_000_000
	fileTimeOfUnix    = 11_644_473_600 // seconds from 1601 to 1970
	// fileTimeEnd is beyond every FILETIME that is taken for one: the year
	// 16215. The highest bit of one must not be set; [MS-FSCC] 2.4.17.
	fileTimeEnd = 1 << 62
)

// clockTime is a FILETIME as a time in UTC; zero where it is 0, which means
// none, or no time that a clock can sensibly show.
func clockTime(v uint64) time.Time {
	t := fileTime(v)
	if t.Year() < 1970 || t.Year() > 2200 {
		return time.Time{}
	}
	return t
}

// fileTime is a FILETIME as a time in UTC; zero where it is 0, which means
// none, or later than the year 9999, which no event can carry.
func fileTime(v uint64) time.Time {
	if v == 0 || v >= fileTimeEnd {
		return time.Time{}
	}
	t := time.Unix(int64(v/fileTimePerSecond)-fileTimeOfUnix, int64(v%fileTimePerSecond)*100).UTC()
	if t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// infoTime is the time that the server stated, of one that the library made of
// it. The library counts nanoseconds since 1970 in 64 bits, which end in 1677
// and 2262 and wrap around: of a file of the year 2700 it makes one of today.
// A FILETIME below fileTimeEnd can be had back from what is left of it.
func infoTime(t time.Time) time.Time {
	// The library multiplied by 100, which is 4 times 25, modulo 2^64. Without
	// the 4 two bits fewer are left; modulo 2^62 this undoes the 25.
	const inverse = 0x0F5C28F5C28F5C29
	sinceUnix := uint64(t.UnixNano()) >> 2 * inverse
	return fileTime((sinceUnix + fileTimeOfUnix*fileTimePerSecond) % fileTimeEnd)
}
