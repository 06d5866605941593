package verdict_test

import (
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

// noon is the cutoff of the looks here; in UTC, on scanDate.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

const scanDate events.Date = "2026-03-10"

func policy() events.Policy {
	return events.Policy{MaxAgeSeconds: 26 * 3600, MinSizeBytes: 1024, Patterns: []string{"*.bak"}}
}

func file(name string, bytes int64, age time.Duration) events.File {
	return events.File{Name: name, Bytes: bytes, Modified: noon.Add(-age)}
}

func drive(share string, files ...events.File) events.Drive {
	d := events.Drive{Letter: verdict.Letter(share), Share: share, Folder: "BackupFull", FileCount: len(files)}
	d.Files = files
	return d
}

func failing(share string, code events.Cause, detail string) events.Drive {
	d := drive(share)
	d.Error = &events.LookError{Code: code, Step: "share", Detail: detail}
	return d
}

func look(mode events.Mode, today bool, drives ...events.Drive) events.BackupObserved {
	return events.BackupObserved{Mode: mode, ScanDate: scanDate, Today: today, Cutoff: noon, Drives: drives}
}

func TestJudgeOneDrive(t *testing.T) {
	t.Parallel()
	const gb = 1 << 30
	aged := policy()
	aged.MaxAgeSeconds = 0
	cases := []struct {
		name     string
		look     events.BackupObserved
		policy   events.Policy
		cause    events.Cause
		evidence events.Evidence
		file     string
		detail   string
	}{
		{
			name:  "a fresh backup",
			look:  look(events.DDrive, true, drive("d$", file("DB_1.bak", gb, 3*time.Hour), file("DB_0.bak", gb, 27*time.Hour))),
			cause: events.CauseOK, evidence: events.EvidenceFull, file: "DB_1.bak",
		},
		{
			name:  "exactly at the age limit",
			look:  look(events.DDrive, true, drive("d$", file("DB.bak", gb, 26*time.Hour))),
			cause: events.CauseOK, evidence: events.EvidenceFull, file: "DB.bak",
		},
		{
			name:  "a second over the age limit",
			look:  look(events.DDrive, true, drive("d$", file("DB.bak", gb, 26*time.Hour+time.Second))),
			cause: events.CauseStale, evidence: events.EvidenceFull, file: "DB.bak",
			detail: "the newest backup DB.bak is 26 h old (limit 26 h)",
		},
		{
			name:  "days old",
			look:  look(events.DDrive, true, drive("d$", file("DB_x.bak", gb, 76*time.Hour))),
			cause: events.CauseStale, evidence: events.EvidenceFull, file: "DB_x.bak",
			detail: "the newest backup DB_x.bak is 3 days 4 h old (limit 26 h)",
		},
		{
			name:  "old, with a newer one that is too small",
			look:  look(events.DDrive, true, drive("d$", file("DB_2.bak", 512, time.Hour), file("DB_1.bak", gb, 30*time.Hour+5*time.Minute))),
			cause: events.CauseStale, evidence: events.EvidenceFull, file: "DB_1.bak",
			detail: "the newest backup DB_1.bak is 30 h 5 min old (limit 26 h); the newer file DB_2.bak has only 512 B",
		},
		{
			name:   "the age rule turned off",
			look:   look(events.DDrive, true, drive("d$", file("DB.bak", gb, 9000*time.Hour))),
			policy: aged,
			cause:  events.CauseOK, evidence: events.EvidenceFull, file: "DB.bak",
		},
		{
			name:  "exactly the minimum size, in upper case",
			look:  look(events.DDrive, true, drive("d$", file("DB.BAK", 1024, time.Hour))),
			cause: events.CauseOK, evidence: events.EvidenceFull, file: "DB.BAK",
		},
		{
			name:  "only small ones",
			look:  look(events.DDrive, true, drive("d$", file("DB_1.bak", 0, time.Hour), file("DB_0.bak", 1023, 2*time.Hour))),
			cause: events.CauseTooSmall, evidence: events.EvidenceFull, file: "DB_1.bak",
			detail: `no backup in D:\BackupFull has the minimum of 1.00 KB; the newest file DB_1.bak has only 0 B`,
		},
		{
			name:  "an empty folder",
			look:  look(events.DDrive, true, drive("d$")),
			cause: events.CauseNoBackup, evidence: events.EvidenceFull, detail: `D:\BackupFull has no backup`,
		},
		{
			name:  "an hour into the future still counts",
			look:  look(events.DDrive, true, drive("d$", file("DB.bak", gb, -time.Hour))),
			cause: events.CauseOK, evidence: events.EvidenceFull, file: "DB.bak",
		},
		{
			name:  "further into the future does not",
			look:  look(events.DDrive, true, drive("d$", file("DB.bak", gb, -time.Hour-time.Second))),
			cause: events.CauseNoBackup, evidence: events.EvidenceFull, file: "DB.bak",
			detail: `D:\BackupFull has no backup but DB.bak of 2026-03-10 13:00 UTC, which lies in the future by the server's clock`,
		},
		{
			name:  "a back-dated look that finds the backup",
			look:  look(events.DDrive, false, drive("d$", file("DB.bak", gb, time.Hour))),
			cause: events.CauseOK, evidence: events.EvidenceFull, file: "DB.bak",
		},
		{
			name:  "a back-dated look that finds an old one",
			look:  look(events.DDrive, false, drive("d$", file("DB.bak", gb, 50*time.Hour))),
			cause: events.CauseStale, evidence: events.EvidenceBackNone, file: "DB.bak",
			detail: "the newest backup DB.bak was 2 days 2 h old at the end of 2026-03-10 (limit 26 h)",
		},
		{
			name:  "a back-dated look and the next night's backup",
			look:  look(events.DDrive, false, drive("d$", file("DB.bak", gb, -time.Second))),
			cause: events.CauseNoBackup, evidence: events.EvidenceBackNone, file: "DB.bak",
			detail: `D:\BackupFull has no backup from 2026-03-10 or before; the newest after it is DB.bak of 2026-03-10 12:00 UTC`,
		},
		{
			name:  "a back-dated look and an empty folder",
			look:  look(events.DDrive, false, drive("d$")),
			cause: events.CauseNoBackup, evidence: events.EvidenceBackNone,
			detail: `D:\BackupFull has no backup from 2026-03-10 or before`,
		},
		{
			name:  "no folder",
			look:  look(events.DDrive, true, failing("d$", events.CauseFolderMissing, "")),
			cause: events.CauseFolderMissing, evidence: events.EvidenceFull,
			detail: "signed in, but D: has no BackupFull folder",
		},
		{
			name:  "no share",
			look:  look(events.DDrive, true, failing("d$", events.CauseShareMissing, "")),
			cause: events.CauseShareMissing, evidence: events.EvidenceFull, detail: "signed in, but there is no share d$",
		},
		{
			name:  "no medium",
			look:  look(events.DDrive, false, failing("d$", events.CauseDriveMissing, "")),
			cause: events.CauseDriveMissing, evidence: events.EvidenceBackNone, detail: "signed in, but there is no medium in D:",
		},
		{
			name:  "no access",
			look:  look(events.DDrive, true, failing("d$", events.CauseAccessDenied, "the server denied access to the share d$")),
			cause: events.CauseAccessDenied, detail: "could not look: the server denied access to the share d$",
		},
		{
			name:  "an error that claims to be a good backup",
			look:  look(events.DDrive, true, failing("d$", events.CauseOK, "")),
			cause: events.CauseProtocolError, detail: "could not look: protocol error",
		},
		{
			name:  "a cause of a later version",
			look:  look(events.DDrive, true, failing("d$", "quota", "no more looks today")),
			cause: "quota", detail: "could not look: no more looks today",
		},
		{
			name:  "nothing asked for",
			look:  look(events.DDrive, true),
			cause: events.CauseProtocolError, detail: "could not look: no drive was asked for",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := policy()
			if c.policy.Patterns != nil {
				p = c.policy
			}
			v := verdict.Judge(c.look, p)
			check(t, v, c.cause, c.evidence, c.file, c.detail)
		})
	}
}

func check(t *testing.T, v events.Verdict, cause events.Cause, evidence events.Evidence, name, detail string) {
	t.Helper()
	if v.Cause != cause || v.Evidence != evidence || v.Detail != detail {
		t.Errorf("got %s, evidence %d, %q; want %s, %d, %q", v.Cause, v.Evidence, v.Detail, cause, evidence, detail)
	}
	if v.Conclusive != cause.Conclusive() || (v.Status == events.Successful) != (cause == events.CauseOK) {
		t.Errorf("status %s, conclusive %t do not go with cause %s", v.Status, v.Conclusive, cause)
	}
	got := ""
	if v.File != nil {
		got = v.File.Name
	}
	if got != name {
		t.Errorf("chose file %q, want %q", got, name)
	}
}

func TestJudgeSessionErrors(t *testing.T) {
	t.Parallel()
	for _, cause := range events.Causes() {
		t.Run(string(cause), func(t *testing.T) {
			t.Parallel()
			l := look(events.IBStorage, true)
			l.Error = &events.LookError{Code: cause, Step: "connect", Detail: "nobody answered"}
			want := cause
			if cause.Conclusive() {
				want = events.CauseProtocolError
			}
			check(t, verdict.Judge(l, policy()), want, events.EvidenceNone, "", "could not look: nobody answered")
		})
	}
}

func TestJudgeUSB(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	good := func(share, name string, age time.Duration) events.Drive { return drive(share, file(name, mb, age)) }
	gone := func(share string) events.Drive { return failing(share, events.CauseShareMissing, "") }
	cases := []struct {
		name     string
		drives   []events.Drive
		cause    events.Cause
		letter   string
		file     string
		evidence events.Evidence
		detail   string
	}{
		{"the newest valid backup wins", []events.Drive{good("e$", "old.bak", 20*time.Hour), good("f$", "new.bak", 2*time.Hour), gone("g$")},
			events.CauseOK, "F", "new.bak", events.EvidenceFull, ""},
		{"the configured order breaks ties", []events.Drive{gone("e$"), good("h$", "h.bak", time.Hour), good("f$", "f.bak", time.Hour)},
			events.CauseOK, "H", "h.bak", events.EvidenceFull, ""},
		{"a good one beats a newer small one elsewhere", []events.Drive{drive("e$", file("s.bak", 1, 0)), good("f$", "f.bak", 9*time.Hour)},
			events.CauseOK, "F", "f.bak", events.EvidenceFull, ""},
		{"a good one beats what could not be looked at", []events.Drive{failing("e$", events.CauseAccessDenied, "no"), good("f$", "f.bak", time.Hour)},
			events.CauseOK, "F", "f.bak", events.EvidenceFull, ""},
		{"what could not be looked at beats a stale one", []events.Drive{good("e$", "e.bak", 90*time.Hour), failing("f$", events.CauseTimeout, "F: did not answer"), gone("g$")},
			events.CauseTimeout, "F", "", events.EvidenceNone, "could not look: F: did not answer"},
		{"the first that could not be looked at", []events.Drive{failing("e$", events.CauseTimeout, "slow"), failing("f$", events.CauseAccessDenied, "no")},
			events.CauseTimeout, "E", "", events.EvidenceNone, "could not look: slow"},
		{"and beats absent ones", []events.Drive{gone("e$"), failing("f$", events.CauseAccessDenied, "no")},
			events.CauseAccessDenied, "F", "", events.EvidenceNone, "could not look: no"},
		{"all absent", []events.Drive{gone("e$"), failing("f$", events.CauseDriveMissing, "no medium"), gone("usb")},
			events.CauseDriveMissing, "", "", events.EvidenceFull, "signed in, but no USB drive is there (looked for E:, F:, share usb)"},
		{"one drive is there, without the folder", []events.Drive{gone("e$"), failing("f$", events.CauseFolderMissing, ""), gone("g$")},
			events.CauseFolderMissing, "F", "", events.EvidenceFull, "signed in, but F: has no BackupFull folder"},
		{"the newest of two stale ones explains", []events.Drive{good("e$", "e.bak", 90*time.Hour), good("f$", "f.bak", 80*time.Hour)},
			events.CauseStale, "F", "f.bak", events.EvidenceFull, "the newest backup f.bak is 3 days 8 h old (limit 26 h)"},
		{"stale says more than small, small more than empty", []events.Drive{drive("e$"), drive("f$", file("s.bak", 1, 0)), good("g$", "g.bak", 48*time.Hour)},
			events.CauseStale, "G", "g.bak", events.EvidenceFull, "the newest backup g.bak is 2 days old (limit 26 h)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := verdict.Judge(look(events.IBStorage, true, c.drives...), policy())
			check(t, v, c.cause, c.evidence, c.file, c.detail)
			if v.DriveLetter != c.letter {
				t.Errorf("drive %q decided, want %q", v.DriveLetter, c.letter)
			}
		})
	}
}
