package smb_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/prober/smb"
)

// check says what is wrong about what a look made of changed answers.
//
// Of answers that were changed on their way, so that their signatures are
// wrong, nothing may be believed: the look found what is there, or it says
// that it could not look. One exception is what it did not see of several USB
// drives: a good backup on one of them is enough, and must be there too.
//
// Answers that were signed anew are those of a server that is itself broken.
// What they say holds, if they say it soundly: a backup is good only where a
// well-formed listing that was sent names the very file, with that size and
// time, and where it is fresh by the very clock that was sent. What such a
// server says is missing is missing: that is not checked.
//
// All of this is decided on the bytes and on how the outlet was made, with
// nothing of what is under test.
func (m mutation) check(o *fleet.Outlet, sent []byte, r smb.Result, v events.Verdict) error {
	if err := wellFormed(r, v); err != nil {
		return err
	}
	switch {
	case m.mutator.Resign && v.Cause == events.CauseOK:
		return stated(sent, r, v)
	case m.mutator.Resign || !v.Conclusive:
		return nil
	}
	want, _ := o.Expect(r.Mode)
	if v.Cause != want.Cause {
		return fmt.Errorf("found %s, and there is %s", v.Cause, want.Cause)
	}
	if v.Cause != events.CauseOK {
		return nil
	}
	truth := o.Truth()
	if skew := r.Clock.Skew - truth.ClockOffset; skew.Abs() > mutationTime+mutationLate {
		return fmt.Errorf("the clock is %v wrong", skew)
	}
	for share := range truth.Drives {
		for _, f := range truth.Files(share, fleet.BackupFolder, time.Now()) {
			if sameFile(*v.File, f) {
				return fresh(r, *v.File)
			}
		}
	}
	return errors.New("there is no such file")
}

// wellFormed holds for every look.
func wellFormed(r smb.Result, v events.Verdict) error {
	if (r.Error == nil) == (len(r.Drives) == 0) {
		return fmt.Errorf("error %+v beside %d drives", r.Error, len(r.Drives))
	}
	for _, d := range r.Drives {
		if d.Error != nil && (len(d.Files) > 0 || len(d.FilesAfter) > 0 || d.FileCount > 0) {
			return fmt.Errorf("%s: files beside an error", d.Share)
		}
		if d.Error != nil && (d.Error.Detail == "" || d.Error.Step == "") {
			return fmt.Errorf("%s: %+v", d.Share, d.Error)
		}
	}
	switch {
	case v.Status == events.Successful && (v.Cause != events.CauseOK || v.File == nil):
		return errors.New("successful without a file")
	case v.Status != events.Successful && v.Detail == "":
		return errors.New("nothing is said of why")
	}
	return nil
}

// fresh tells whether a file is a good backup at the cutoff of a look.
func fresh(r smb.Result, f events.File) error {
	age := r.Cutoff.Sub(f.Modified)
	if age > 26*time.Hour || age < -time.Hour || f.Bytes < 1024 || !strings.HasSuffix(strings.ToLower(f.Name), ".bak") {
		return fmt.Errorf("it is not good: age %v", age)
	}
	return nil
}

// stated tells whether what was sent says that there is a good backup.
func stated(sent []byte, r smb.Result, v events.Verdict) error {
	told := false
	var files []events.File
	for _, message := range framesOf(sent) {
		if len(message) < 72 || binary.LittleEndian.Uint32(message[8:]) != 0 {
			continue
		}
		switch command := binary.LittleEndian.Uint16(message[12:]); {
		case command == 0 && len(message) >= 112:
			clock := binary.LittleEndian.Uint64(message[64+40:])
			told = told || r.Clock.Known() && ticks(r.Clock.Server) == clock && r.Cutoff.Equal(r.Clock.Server)
		case command == 14:
			listed, err := listing(message)
			if err == nil {
				files = append(files, listed...)
			}
		}
	}
	if !told && (r.Clock.Known() || time.Since(r.Cutoff).Abs() > mutationTime+mutationLate) {
		return fmt.Errorf("the cutoff %v was not told", r.Cutoff)
	}
	if !slices.ContainsFunc(files, func(f events.File) bool {
		return f.Name == v.File.Name && f.Bytes == v.File.Bytes && f.Modified.Equal(v.File.Modified) && f.Created.Equal(v.File.Created)
	}) {
		return fmt.Errorf("no sound listing of those sent, with %d files, has that file", len(files))
	}
	return fresh(r, *v.File)
}

// framesOf cuts a stream of bytes into messages, as far as that goes.
func framesOf(stream []byte) [][]byte {
	var messages [][]byte
	for len(stream) >= 4 {
		n := int(binary.BigEndian.Uint32(stream) & 0xFFFFFF)
		if stream = stream[4:]; n > len(stream) {
			break
		}
		messages = append(messages, stream[:n:n])
		stream = stream[n:]
	}
	return messages
}

// listing reads a whole answer to QUERY_DIRECTORY, [MS-SMB2] 2.2.34, with
// entries as of [MS-FSCC] 2.4.17. It fails where entries overlap, or something
// that is not padding stands between or behind them.
func listing(message []byte) ([]events.File, error) {
	le := binary.LittleEndian
	from := int(le.Uint16(message[64+2:]))
	to := from + int(le.Uint32(message[64+4:]))
	if le.Uint16(message[64:]) != 9 || from < 72 || to > len(message) {
		return nil, errors.New("its buffer is not in it")
	}
	var files []events.File
	for rest, more := message[from:to], true; more; {
		if len(rest) < 104 {
			return nil, errors.New("an entry is cut short")
		}
		next, name := int(le.Uint32(rest)), int(le.Uint32(rest[60:]))
		entry := rest[:104]
		if rest = rest[104:]; name > len(rest) || name%2 != 0 || name == 0 {
			return nil, errors.New("a name is cut short")
		}
		files = append(files, events.File{
			Name: utf16Text(rest[:name]), Bytes: int64(le.Uint64(entry[40:])),
			Modified: instant(le.Uint64(entry[24:])), Created: instant(le.Uint64(entry[8:])),
		})
		gap := rest[name:]
		if more = next != 0; more {
			if next < 104+name || next-104 > len(rest) {
				return nil, errors.New("entries overlap")
			}
			gap, rest = rest[name:next-104], rest[next-104:]
		}
		if len(gap) > 7 && strings.Trim(string(gap[7:]), "\x00") != "" {
			return nil, errors.New("something stands between entries")
		}
	}
	return files, nil
}

func utf16Text(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// instant is a FILETIME, [MS-DTYP] 2.3.3, as a time; zero for none, and beyond
// the year 9999.
func instant(v uint64) time.Time {
	begin := time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)
	if v == 0 || v > 1<<62 {
		return time.Time{}
	}
	at := begin.AddDate(0, 0, int(v/864_000_000_000)).Add(time.Duration(v%864_000_000_000) * 100)
	if at.Year() > 9999 {
		return time.Time{}
	}
	return at
}

// ticks is a time as a FILETIME.
func ticks(t time.Time) uint64 {
	begin := time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)
	return uint64(t.Unix()-begin.Unix())*10_000_000 + uint64(t.Nanosecond()/100)
}
