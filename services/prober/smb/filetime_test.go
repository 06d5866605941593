package smb

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestClockTime(t *testing.T) {
	t.Parallel()
	cases := map[uint64]time.Time{
		0:                  {},
		116444736000000000: time.Unix(0, 0).UTC(),
		116444735999999999: {}, // 1969
		134176953234567890: time.Date(2026, 3, 11, 9, 35, 23, 456789000, time.UTC),
		1<<64 - 1:          {},
		1 << 63:            {},
	}
	for in, want := range cases {
		if got := clockTime(in); !got.Equal(want) {
			t.Errorf("%d is %v, want %v", in, got, want)
		}
	}
}

// libraryTime is what the library makes of a FILETIME.
func libraryTime(v uint64) time.Time { return time.Unix(0, int64(v-116444736000000000)*100) }

func TestInfoTime(t *testing.T) {
	t.Parallel()
	cases := map[uint64]time.Time{
		0:                   {},
		1:                   time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC),
		116444736000000000:  time.Unix(0, 0).UTC(),
		134176953234567890:  time.Date(2026, 3, 11, 9, 35, 23, 456789000, time.UTC),
		318644393971663406:  time.Date(2610, 9, 30, 9, 9, 57, 166340600, time.UTC), // of today, by the library
		2650467743999999999: time.Date(9999, 12, 31, 23, 59, 59, 999999900, time.UTC),
		2650467744000000000: {},
	}
	for in, want := range cases {
		if got := infoTime(libraryTime(in)); !got.Equal(want) {
			t.Errorf("%d is %v, want %v", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Uint64Max(fileTimeEnd-1).Draw(t, "FILETIME")
		if got, want := infoTime(libraryTime(v)), fileTime(v); !got.Equal(want) {
			t.Fatalf("%d is %v, want %v", v, got, want)
		}
	})
}
