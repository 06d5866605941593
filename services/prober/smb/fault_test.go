package smb_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/smbserver"
	"backupmonitor/services/prober/smb"
)

// at makes an interceptor that does something to the nth answer to a command,
// counted from 1, and lets everything else pass.
func at(command smbserver.Command, nth int, do smbserver.Intercept) smbserver.Intercept {
	var mu sync.Mutex
	seen := 0
	return func(ctx context.Context, conn net.Conn, r *smbserver.Response) error {
		mu.Lock()
		hit := false
		if r.Command == command {
			seen++
			hit = seen == nth
		}
		mu.Unlock()
		if hit {
			return do(ctx, conn, r)
		}
		_, err := conn.Write(r.Frame)
		return err
	}
}

func hold(ctx context.Context, _ net.Conn, _ *smbserver.Response) error {
	<-ctx.Done()
	return ctx.Err()
}

func hangUp(context.Context, net.Conn, *smbserver.Response) error {
	return errors.New("the line is cut")
}

// dOnly looks at drive D alone, so that the nth answer is of a known request.
func dOnly(address string) smb.Target {
	target := bothModes(address, account())
	target.Places = target.Places[:1]
	return target
}

// lookError is the error of the look or of its one drive.
func lookError(r smb.Result) *events.LookError {
	if r.Error == nil && len(r.Drives) == 1 {
		return r.Drives[0].Error
	}
	return r.Error
}

// TestServerStops lets a server fall silent or hang up at each of its answers:
// the look ends by its deadline, says at which step, and reports no files.
func TestServerStops(t *testing.T) {
	t.Parallel()
	steps := []struct {
		command smbserver.Command
		nth     int
		step    string
	}{
		{smbserver.Negotiate, 1, smb.StepNegotiate},
		{smbserver.SessionSetup, 1, smb.StepSignIn},
		{smbserver.SessionSetup, 2, smb.StepSignIn},
		{smbserver.TreeConnect, 1, smb.StepShare},
		{smbserver.Create, 1, smb.StepFolder},
		{smbserver.QueryDirectory, 1, smb.StepList},
		{smbserver.QueryDirectory, 2, smb.StepList},
	}
	ways := map[events.Cause]smbserver.Intercept{events.CauseTimeout: hold, events.CauseProtocolError: hangUp}
	for cause, way := range ways {
		for _, s := range steps {
			t.Run(string(cause)+"/"+s.command.String()+string(rune('0'+s.nth)), func(t *testing.T) {
				t.Parallel()
				within := patience
				if cause == events.CauseTimeout {
					within = 700 * time.Millisecond
				}
				r := look(t, within, dOnly(outlet(t, fleet.Good, at(s.command, s.nth, way)).Addr()))[events.DDrive]
				e := lookError(r)
				if e == nil || e.Code != cause || e.Step != s.step || e.Detail == "" {
					t.Fatalf("%+v, want %s at %s", e, cause, s.step)
				}
				if len(r.Drives) == 1 && (len(r.Drives[0].Files) != 0 || r.Drives[0].FileCount != 0) {
					t.Errorf("a listing that was not read to its end has %d files", r.Drives[0].FileCount)
				}
			})
		}
	}
}

// TestIdleServer is cut off by the idle timeout long before the look's own
// deadline.
func TestIdleServer(t *testing.T) {
	t.Parallel()
	o := outlet(t, fleet.Good, at(smbserver.Create, 1, hold))
	began := time.Now()
	r := smb.Look(t.Context(), smb.Options{IdleTimeout: 300 * time.Millisecond}, dOnly(o.Addr()), today(began))[0]
	if e := lookError(r); e == nil || e.Code != events.CauseTimeout || e.Step != smb.StepFolder {
		t.Errorf("%+v", e)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the look took %v", took)
	}
}

// TestSpaceIsNotWorthWaitingFor: a server that keeps the free space to itself
// has told the files all the same.
func TestSpaceIsNotWorthWaitingFor(t *testing.T) {
	t.Parallel()
	o := outlet(t, fleet.Good, at(smbserver.QueryInfo, 1, func(context.Context, net.Conn, *smbserver.Response) error { return nil }))
	r := look(t, patience, dOnly(o.Addr()))[events.DDrive]
	if v := judge(r); v.Cause != events.CauseOK || r.Drives[0].FreeBytes != nil {
		t.Errorf("%s, %s, free %v", v.Cause, v.Detail, r.Drives[0].FreeBytes)
	}
}

// TestRefusedLate: a server that refuses the second part of a listing leaves
// nothing of the first.
func TestRefusedLate(t *testing.T) {
	t.Parallel()
	refuse := func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		binary.LittleEndian.PutUint32(r.Frame[4+8:], uint32(smbserver.StatusAccessDenied))
		r.Sign(r.Frame[4:])
		_, err := conn.Write(r.Frame)
		return err
	}
	o := outlet(t, fleet.ManyFiles, at(smbserver.QueryDirectory, 2, refuse))
	d := look(t, patience, dOnly(o.Addr()))[events.DDrive].Drives[0]
	if d.Error == nil || d.Error.Code != events.CauseAccessDenied || d.Error.Step != smb.StepList || len(d.Files) != 0 || d.FileCount != 0 {
		t.Errorf("%d files, error %+v", d.FileCount, d.Error)
	}
}

// TestGuest: a server that lets everybody in does not know the account, and
// such a session would go on unsigned.
func TestGuest(t *testing.T) {
	t.Parallel()
	guest := func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		binary.LittleEndian.PutUint16(r.Frame[4+64+2:], 1) // SMB2_SESSION_FLAG_IS_GUEST
		r.Sign(r.Frame[4:])
		_, err := conn.Write(r.Frame)
		return err
	}
	o := outlet(t, fleet.Good, at(smbserver.SessionSetup, 2, guest))
	for mode, r := range look(t, patience, bothModes(o.Addr(), account())) {
		if r.Error == nil || r.Error.Code != events.CauseAuthFailed || !strings.Contains(r.Error.Detail, "only as a guest") {
			t.Errorf("%s: %+v", mode, r.Error)
		}
	}
}

// TestUnsigned: an answer that somebody changed on its way is no answer.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	change := func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		r.Frame[len(r.Frame)-1] ^= 1
		_, err := conn.Write(r.Frame)
		return err
	}
	o := outlet(t, fleet.Good, at(smbserver.QueryDirectory, 1, change))
	d := look(t, patience, dOnly(o.Addr()))[events.DDrive].Drives[0]
	if d.Error == nil || d.Error.Code != events.CauseProtocolError || len(d.Files) != 0 {
		t.Errorf("%+v", d)
	}
}

// TestHugeFrame announces more than anybody needs, before and after sign-in.
func TestHugeFrame(t *testing.T) {
	t.Parallel()
	for command, size := range map[smbserver.Command]uint32{smbserver.Negotiate: 200 << 10, smbserver.QueryDirectory: 3 << 20} {
		t.Run(command.String(), func(t *testing.T) {
			t.Parallel()
			o := outlet(t, fleet.Good, at(command, 1, func(ctx context.Context, conn net.Conn, r *smbserver.Response) error {
				head := binary.BigEndian.AppendUint32(nil, size)
				if _, err := conn.Write(head); err != nil {
					return err
				}
				return hold(ctx, conn, r)
			}))
			r := look(t, patience, dOnly(o.Addr()))[events.DDrive]
			if e := lookError(r); e == nil || e.Code != events.CauseProtocolError || !strings.Contains(e.Detail, "too large") {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestNotSMB: something else listens on the port.
func TestNotSMB(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{"http": "HTTP/1.1 400 Bad Request\r\n\r\n", "short": "\x00\x00\x00\x04\xfeSMB", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Read(make([]byte, 1024))
				_, _ = c.Write([]byte(says))
				_ = c.Close()
			}()
			t.Cleanup(func() { _ = l.Close(); <-done })
			r := look(t, patience, dOnly(l.Addr().String()))[events.DDrive]
			if r.Error == nil || r.Error.Code != events.CauseProtocolError || r.Error.Step != smb.StepNegotiate {
				t.Errorf("%+v", r.Error)
			}
		})
	}
}

// TestStingyServer grants few credits, as small network disks do: everything
// is still seen, only not all at once.
func TestStingyServer(t *testing.T) {
	t.Parallel()
	for _, credits := range []uint16{17, 40} {
		var mu sync.Mutex
		granted := uint16(1)
		stingy := func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
			head := r.Frame[4:]
			mu.Lock()
			asked := binary.LittleEndian.Uint16(head[14:])
			charge := max(1, binary.LittleEndian.Uint16(head[6:]))
			give := min(asked, charge+credits-granted)
			granted += give - min(charge, give)
			mu.Unlock()
			binary.LittleEndian.PutUint16(head[14:], give)
			r.Sign(head)
			_, err := conn.Write(r.Frame)
			return err
		}
		// The answers to the sign-in could not be changed in 3.1.1.
		spec := fleet.New(fleet.Plan{Code: "S0001", Preset: fleet.SeveralUSB, Seed: 7, Now: time.Now()})
		o := startWith(t, fleet.Options{Dialects: []uint16{0x0210}}, stingy, spec)[0]
		for mode, r := range look(t, patience, bothModes(o.Addr(), account())) {
			if v := judge(r); v.Cause != events.CauseOK {
				t.Errorf("%d credits: %s: %s, %s", credits, mode, v.Cause, v.Detail)
			}
			for _, d := range r.Drives {
				if d.Error != nil && d.Error.Code != events.CauseShareMissing {
					t.Errorf("%d credits: %s: %+v", credits, d.Share, d.Error)
				}
			}
		}
	}
}
