package fleet

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Nightly is a full backup every night, of which the last few are kept. It is a [Source] that costs no memory.
type Nightly struct {
	// Prefix and Suffix stand around the date in a file's name: DB_B0001_20261122.bak.
	Prefix, Suffix string
	// Begin is when the backup begins, after midnight UTC; it varies by up to a quarter of an hour from night to night.
	Begin time.Duration
	// Bytes is about what the newest has; the size grows slowly and varies a little.
	Bytes int64
	// Keep is how many are kept.
	Keep int
	// Last, if set, is the moment after which no backup ends any more.
	Last time.Time
	// Seed makes the variations its own.
	Seed uint64
}

// At gives the backups that had ended by then, oldest first.
func (n Nightly) At(now time.Time) Listing {
	if !n.Last.IsZero() && n.Last.Before(now) {
		now = n.Last
	}
	day := now.Unix() / secondsPerDay
	for n.night(day).Modified.After(now) {
		day--
	}
	return nights{n, day - int64(max(0, n.Keep)) + 1}
}

const secondsPerDay = 24 * 60 * 60

// night is the backup of one day, counted since 1970.
func (n Nightly) night(day int64) File {
	vary := rand.New(rand.NewPCG(n.Seed, uint64(day)))
	midnight := time.Unix(day*secondsPerDay, 0).UTC()
	created := midnight.Add(n.Begin + time.Duration(vary.Int64N(int64(15*time.Minute))))
	growth := float64(day%365) / 365 * 0.05
	size := int64(float64(n.Bytes) * (0.93 + growth + 0.02*vary.Float64()))
	return File{
		Name:     fmt.Sprintf("%s%s%s", n.Prefix, midnight.Format("20060102"), n.Suffix),
		Size:     size / pageSize * pageSize,
		Created:  created,
		Modified: created.Add(time.Minute + time.Duration(vary.Int64N(int64(9*time.Minute)))),
	}
}

const pageSize = 8192 // bytes, of SQL Server

type nights struct {
	nightly Nightly
	first   int64
}

func (n nights) Len() int        { return max(0, n.nightly.Keep) }
func (n nights) File(i int) File { return n.nightly.night(n.first + int64(i)) }

// Many is a folder of any number of files that are made when asked for.
type Many struct {
	Count int
	Make  func(i int) File // must give the same file for the same i
}

// At gives the files, which do not depend on the time.
func (m Many) At(time.Time) Listing { return m }

// Len counts them.
func (m Many) Len() int { return m.Count }

// File makes one.
func (m Many) File(i int) File { return m.Make(i) }

// both is one source after another.
type both struct{ first, second Source }

func (b both) At(now time.Time) Listing { return joined{b.first.At(now), b.second.At(now)} }

type joined struct{ first, second Listing }

func (j joined) Len() int { return j.first.Len() + j.second.Len() }

func (j joined) File(i int) File {
	if n := j.first.Len(); i >= n {
		return j.second.File(i - n)
	}
	return j.first.File(i)
}

// each is a source with every file changed.
type each struct {
	source Source
	change func(File) File
}

func (e each) At(now time.Time) Listing {
	listing := e.source.At(now)
	return Many{listing.Len(), func(i int) File { return e.change(listing.File(i)) }}
}

// relative is a source that depends on the time in a way of its own.
type relative func(now time.Time) Files

func (r relative) At(now time.Time) Listing { return r(now) }

// growing is a folder of the temporary files of a program that goes on making them, and renaming them, while the folder
// is read: it is longer at its end than it was at its beginning, and shows some files under both their names.
type growing struct{ code string }

// At gives a listing that grows with every look at one of its files.
func (g growing) At(now time.Time) Listing {
	return &grown{code: g.code, at: now.Add(-time.Minute).Truncate(time.Second)}
}

type grown struct {
	code string
	at   time.Time
	seen int // the highest index asked for so far, and one
}

const (
	grownFrom  = 9000 // files at the beginning: more than one answer holds
	grownEvery = 10   // files read for each that is made meanwhile
)

func (g *grown) Len() int { return grownFrom + min(g.seen, grownFrom)/grownEvery }

func (g *grown) File(i int) File {
	g.seen = max(g.seen, i+1)
	name := fmt.Sprintf("tmp_%s_%06d.trn", g.code, i)
	if i >= grownFrom {
		name = fmt.Sprintf("tmp_%s_%06d.done", g.code, (i-grownFrom)*grownEvery)
	}
	return File{Name: name, Size: 4096 + int64(i), Created: g.at, Modified: g.at}
}
