package fleet_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloudsoda/go-smb2"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
)

// finding is what a look of the simplest kind comes to: a rule of thumb of its own, not the verdict of the services.
type finding struct {
	cause events.Cause
	share string
	file  string
}

// look tries the shares of a mode and keeps the best of what they give.
func look(t *testing.T, o *fleet.Outlet, mode events.Mode, password string) finding {
	t.Helper()
	c, err := connect(t, o.Addr(), fleet.DefaultUser, password, 0)
	if err != nil {
		return finding{cause: signInCause(err)}
	}
	shares := []string{fleet.DShare}
	if mode == events.IBStorage {
		shares = fleet.USBShares()
	}
	truth := o.Truth()
	clock := time.Now().Add(truth.ClockOffset)
	order := []events.Cause{
		events.CauseOK, events.CauseStale, events.CauseTooSmall, events.CauseNoBackup, events.CauseFolderMissing,
		events.CauseAccessDenied, events.CauseDriveMissing, events.CauseShareMissing,
	}
	var found []finding
	for _, share := range shares {
		infos, err := c.list(share, fleet.BackupFolder)
		f := finding{cause: folderCause(err, mode), share: share}
		if err == nil {
			f = judge(infos, share, clock)
		}
		found = append(found, f)
	}
	slices.SortStableFunc(found, func(a, b finding) int {
		return slices.Index(order, a.cause) - slices.Index(order, b.cause)
	})
	return found[0]
}

func signInCause(err error) events.Cause {
	var response *smb2.ResponseError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return events.CauseUnreachable
	case outcome(err) == "timeout":
		return events.CauseTimeout
	case errors.As(err, &response) && slices.Contains([]uint32{0xC000006D, 0xC0000071, 0xC0000234}, response.Code):
		return events.CauseAuthFailed
	}
	return events.Cause(err.Error())
}

func folderCause(err error, mode events.Mode) events.Cause {
	switch outcome(err) {
	case "0xC00000CC":
		if mode == events.IBStorage {
			return events.CauseDriveMissing
		}
		return events.CauseShareMissing
	case "0xC0000013":
		return events.CauseDriveMissing
	case "access denied":
		return events.CauseAccessDenied
	case "not found":
		return events.CauseFolderMissing
	}
	return events.Cause(outcome(err))
}

func judge(infos []os.FileInfo, share string, clock time.Time) finding {
	f := finding{cause: events.CauseNoBackup, share: share}
	var newest os.FileInfo
	for _, info := range infos {
		if strings.HasSuffix(strings.ToLower(info.Name()), ".bak") && (newest == nil || info.ModTime().After(newest.ModTime())) {
			newest = info
		}
	}
	switch {
	case newest == nil:
		return f
	case newest.ModTime().After(clock.Add(time.Hour)):
	case newest.Size() < 1024:
		f.cause = events.CauseTooSmall
	case clock.Sub(newest.ModTime()) > 26*time.Hour:
		f.cause = events.CauseStale
	default:
		f.cause = events.CauseOK
	}
	f.file = newest.Name()
	return f
}

// TestPresets looks at an outlet of each kind, made for each mode alone and for both.
func TestPresets(t *testing.T) {
	t.Parallel()
	for _, preset := range fleet.Presets() {
		for name, modes := range map[string][]events.Mode{"d": {events.DDrive}, "usb": {events.IBStorage}, "both": nil} {
			t.Run(string(preset)+"/"+name, func(t *testing.T) {
				t.Parallel()
				spec := fleet.New(fleet.Plan{Code: "B0042", Preset: preset, Modes: modes, Seed: uint64(len(name)), Now: time.Now()})
				switch preset {
				case fleet.NeverAnswers:
					lookAtSilence(t, spec)
					return
				case fleet.Drips:
					lookAtDrips(t, spec)
					return
				}
				if preset == fleet.Slow {
					if spec.Truth.Latency < 100*time.Millisecond {
						t.Errorf("slow means %s", spec.Truth.Latency)
					}
					spec.Truth.Latency /= 20 // slow enough for here
				}
				o := start(t, fleet.Options{}, spec).Outlets()[0]
				for _, mode := range events.Modes() {
					want, ok := o.Expect(mode)
					if !ok {
						t.Fatalf("nothing is expected of %s", mode)
					}
					got := look(t, o, mode, fleet.DefaultPassword)
					if want.Cause == events.CauseProtocolError {
						if !wentWrong(got.cause) {
							t.Errorf("%s: found %+v, want it to go wrong", mode, got)
						}
						continue
					}
					if got.cause != want.Cause || want.Share != "" && got.share != want.Share {
						t.Errorf("%s: found %+v, want %+v", mode, got, want)
					}
					if want.File != nil && want.Cause.Conclusive() && got.file != want.File.Name {
						t.Errorf("%s: found file %q, want %q", mode, got.file, want.File.Name)
					}
				}
			})
		}
	}
}

// wentWrong tells a finding that is an error in words from those that are causes.
func wentWrong(cause events.Cause) bool { return strings.ContainsAny(string(cause), " 0") }

// lookAtDrips makes sure that an answer begins, and goes on for seconds.
func lookAtDrips(t *testing.T, spec fleet.Spec) {
	t.Helper()
	o := start(t, fleet.Options{}, spec).Outlets()[0]
	conn := dial(t, o.Addr())
	if _, err := conn.Write(negotiateRequest()); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1000)); n != 1 || err != nil {
		t.Errorf("read %d bytes: %v, want the first", n, err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1000)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes: %v, want none yet", n, err)
	}
}

// lookAtSilence makes sure that the connection stands, and nothing ever comes.
func lookAtSilence(t *testing.T, spec fleet.Spec) {
	t.Helper()
	o := start(t, fleet.Options{}, spec).Outlets()[0]
	conn := dial(t, o.Addr())
	if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("anybody there?")); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes: %v, want silence", n, err)
	}
	for _, mode := range events.Modes() {
		if want, _ := o.Expect(mode); want.Cause != events.CauseTimeout {
			t.Errorf("%s: %+v is expected", mode, want)
		}
	}
}

func TestWrongPresetDoesNotTouchTheOtherMode(t *testing.T) {
	t.Parallel()
	spec := fleet.New(fleet.Plan{Code: "B1", Preset: fleet.Stale, Modes: []events.Mode{events.IBStorage}, Now: time.Now()})
	if d, usb := spec.Expected[events.DDrive].Cause, spec.Expected[events.IBStorage].Cause; d != events.CauseOK || usb != events.CauseStale {
		t.Errorf("expected causes are %s and %s, want ok and stale", d, usb)
	}
}
