package verdict_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

// files draws the files of one folder: names are unique, as in a folder, times
// collide often, sizes and ages lie around the limits.
func files() *rapid.Generator[[]events.File] {
	one := rapid.Custom(func(t *rapid.T) events.File {
		ext := rapid.SampledFrom([]string{".bak", ".BAK", ".txt"}).Draw(t, "ext")
		return events.File{
			Name:     fmt.Sprintf("DB_%03d%s", rapid.IntRange(0, 999).Draw(t, "name"), ext),
			Bytes:    rapid.SampledFrom([]int64{0, 1, 1023, 1024, 1 << 30}).Draw(t, "bytes"),
			Modified: noon.Add(time.Duration(rapid.IntRange(-120, 4).Draw(t, "hours")) * time.Hour),
		}
	})
	return rapid.SliceOfNDistinct(one, 0, 60, func(f events.File) string { return f.Name })
}

// looks draws a look and all the files of its folders, drive by drive. The
// drives hold all the files, not a selection.
func looks() *rapid.Generator[events.BackupObserved] {
	return rapid.Custom(func(t *rapid.T) events.BackupObserved {
		mode := rapid.SampledFrom(events.Modes()).Draw(t, "mode")
		l := look(mode, rapid.Bool().Draw(t, "today"))
		if rapid.IntRange(0, 9).Draw(t, "session") == 0 {
			l.Error = &events.LookError{Code: rapid.SampledFrom(events.Causes()).Draw(t, "code")}
			return l
		}
		shares := []string{"d$"}
		if mode == events.IBStorage {
			shares = []string{"e$", "f$", "g$", "usb"}[:rapid.IntRange(1, 4).Draw(t, "drives")]
		}
		for _, share := range shares {
			d := drive(share)
			if rapid.IntRange(0, 2).Draw(t, "error") == 0 {
				d.Error = &events.LookError{Code: rapid.SampledFrom(events.Causes()).Draw(t, "code")}
			} else {
				d.Files = files().Draw(t, "files")
			}
			l.Drives = append(l.Drives, d)
		}
		return l
	})
}

func TestProperties(t *testing.T) {
	t.Parallel()
	properties := map[string]func(*rapid.T){
		"a file after the limit never makes Successful":       afterTheLimit,
		"an older file never changes a Successful verdict":    olderFile,
		"a good new file on a drive makes Successful":         goodFile,
		"the order of files and drives decides nothing else":  order,
		"an inconclusive look has no evidence and no success": inconclusive,
		"the files kept give the verdict of all files":        kept,
		"judging what was judged gives the same":              twice,
	}
	for name, p := range properties {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, p)
		})
	}
}

func afterTheLimit(t *rapid.T) {
	l := looks().Draw(t, "look")
	before := verdict.Judge(l, policy())
	limit := verdict.Limit(l.Cutoff, l.Today)
	late := events.File{Name: "zz_late.bak", Bytes: 1 << 30, Modified: limit.Add(time.Duration(rapid.IntRange(1, 1<<40).Draw(t, "later")))}
	for i := range l.Drives {
		l.Drives[i].FilesAfter = append(l.Drives[i].FilesAfter, late)
		l.Drives[i].Files = append(l.Drives[i].Files, late)
	}
	after := verdict.Judge(l, policy())
	if after.Status != before.Status || after.Cause != before.Cause {
		t.Fatalf("%s/%s became %s/%s", before.Status, before.Cause, after.Status, after.Cause)
	}
	if after.File != nil && after.File.Modified.After(limit) && after.Status == events.Successful {
		t.Fatal("a file after the limit was chosen")
	}
}

func olderFile(t *rapid.T) {
	l := looks().Draw(t, "look")
	before := verdict.Judge(l, policy())
	if before.Status != events.Successful {
		t.Skip()
	}
	old := events.File{Name: "aa_old.bak", Bytes: 1 << 40, Modified: before.File.Modified.Add(-time.Duration(rapid.IntRange(1, 1<<50).Draw(t, "older")))}
	i := rapid.IntRange(0, len(l.Drives)-1).Draw(t, "drive")
	l.Drives[i].Files = append(l.Drives[i].Files, old)
	if after := verdict.Judge(l, policy()); !reflect.DeepEqual(before, after) {
		t.Fatalf("%+v became %+v", before, after)
	}
}

func goodFile(t *rapid.T) {
	l := looks().Draw(t, "look")
	if l.Error != nil {
		t.Skip()
	}
	i := rapid.IntRange(0, len(l.Drives)-1).Draw(t, "drive")
	if l.Drives[i].Error != nil {
		t.Skip()
	}
	l.Drives[i].Files = append(l.Drives[i].Files, events.File{Name: "good.bak", Bytes: 1024, Modified: noon})
	v := verdict.Judge(l, policy())
	if v.Status != events.Successful || v.Evidence != events.EvidenceFull || v.File.Modified.Before(noon) {
		t.Fatalf("with a good backup at the cutoff: %+v", v)
	}
}

func order(t *rapid.T) {
	l := looks().Draw(t, "look")
	before := verdict.Judge(l, policy())
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	shuffled := l
	shuffled.Drives = slices.Clone(l.Drives)
	for i, d := range shuffled.Drives {
		shuffled.Drives[i].Files = slices.Clone(d.Files)
		r.Shuffle(len(d.Files), func(a, b int) {
			f := shuffled.Drives[i].Files
			f[a], f[b] = f[b], f[a]
		})
	}
	if after := verdict.Judge(shuffled, policy()); !reflect.DeepEqual(before, after) {
		t.Fatalf("the order of files changed %+v to %+v", before, after)
	}
	r.Shuffle(len(shuffled.Drives), func(a, b int) {
		shuffled.Drives[a], shuffled.Drives[b] = shuffled.Drives[b], shuffled.Drives[a]
	})
	after := verdict.Judge(shuffled, policy())
	if after.Conclusive != before.Conclusive || after.Status != before.Status || after.Evidence != before.Evidence {
		t.Fatalf("the order of drives changed %+v to %+v", before, after)
	}
	if before.Status == events.Successful && !after.File.Modified.Equal(before.File.Modified) {
		t.Fatalf("the order of drives changed the time of the backup from %v to %v", before.File.Modified, after.File.Modified)
	}
	if before.Conclusive && after.Cause != before.Cause {
		t.Fatalf("the order of drives changed %s to %s", before.Cause, after.Cause)
	}
}

func inconclusive(t *rapid.T) {
	l := looks().Draw(t, "look")
	v := verdict.Judge(l, policy())
	if v.Conclusive != v.Cause.Conclusive() || v.Conclusive != (v.Evidence > events.EvidenceNone) {
		t.Fatalf("%s: conclusive %t, evidence %d", v.Cause, v.Conclusive, v.Evidence)
	}
	if (v.Status == events.Successful) != (v.Cause == events.CauseOK) || (v.Status == events.Successful) != (v.Detail == "") {
		t.Fatalf("%s: status %s, detail %q", v.Cause, v.Status, v.Detail)
	}
	if l.Error != nil && v.Conclusive {
		t.Fatalf("a look that reached no drive is %s", v.Cause)
	}
}

func kept(t *rapid.T) {
	l := looks().Draw(t, "look")
	selected := l
	selected.Drives = slices.Clone(l.Drives)
	limit := verdict.Limit(l.Cutoff, l.Today)
	for i, d := range l.Drives {
		s := verdict.NewSelection(limit, policy())
		large := false
		for _, f := range d.Files {
			s.Add(f)
			large = large || f.Bytes >= 1024 && !f.Modified.After(limit) && f.Name[len(f.Name)-1] != 't'
		}
		before, after := s.Files(), s.FilesAfter()
		if len(before) > verdict.KeepBefore || len(after) > verdict.KeepAfter || s.Count() < len(before)+len(after) {
			t.Fatalf("%d files: kept %d and %d", s.Count(), len(before), len(after))
		}
		if large && !slices.ContainsFunc(before, func(f events.File) bool { return f.Bytes >= 1024 }) {
			t.Fatal("the newest large enough file was not kept")
		}
		if !slices.IsSortedFunc(before, func(a, b events.File) int { return b.Modified.Compare(a.Modified) }) {
			t.Fatal("the files are not newest first")
		}
		selected.Drives[i].Files, selected.Drives[i].FilesAfter = before, after
	}
	all, some := verdict.Judge(l, policy()), verdict.Judge(selected, policy())
	if !reflect.DeepEqual(all, some) {
		t.Fatalf("all files give %+v, those kept %+v", all, some)
	}
}

func twice(t *rapid.T) {
	l := looks().Draw(t, "look")
	l.Verdict = verdict.Judge(l, policy())
	if again := verdict.Judge(l, policy()); !reflect.DeepEqual(l.Verdict, again) {
		t.Fatalf("%+v became %+v", l.Verdict, again)
	}
}
