package fleet_test

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/fault"
	"backupmonitor/services/internal/fleet/smbserver"
)

// TestSmbclientMeetsFaults lets Samba's client meet each fault: it must see
// what the fault is said to be.
func TestSmbclientMeetsFaults(t *testing.T) {
	t.Parallel()
	const (
		reset = "NT_STATUS_CONNECTION_RESET"
		ended = "NT_STATUS_CONNECTION_DISCONNECTED" // by the server, or by the client itself over what it got
	)
	cases := map[string]struct {
		fault fault.Fault
		want  []string // one of these is printed
		fine  bool     // and it works all the same
	}{
		"none":           {fault.To(smbserver.Flush, 1, fault.Reset()), []string{"one.bak"}, true},
		"pending":        {fault.To(smbserver.Create, 0, fault.Pending(50*time.Millisecond)), []string{"one.bak"}, true},
		"slow":           {fault.To(smbserver.QueryDirectory, 1, fault.Drip(time.Millisecond)), []string{"one.bak"}, true},
		"at the start":   {fault.Answer(1, fault.Reset()), []string{reset, ended}, false},
		"reset":          {fault.To(smbserver.TreeConnect, 0, fault.Reset()), []string{reset, ended}, false},
		"hang up":        {fault.To(smbserver.QueryDirectory, 1, fault.HangUp()), []string{reset, ended}, false},
		"silence":        {fault.To(smbserver.QueryDirectory, 1, fault.Silence()), []string{"NT_STATUS_IO_TIMEOUT"}, false},
		"mute":           {fault.To(smbserver.QueryDirectory, 1, fault.Mute()), []string{"NT_STATUS_IO_TIMEOUT", "NT_STATUS_NO_SUCH_FILE"}, false},
		"signature":      {fault.To(smbserver.QueryDirectory, 1, fault.Missign()), []string{"Bad SMB2"}, false},
		"unsigned":       {fault.To(smbserver.QueryDirectory, 1, fault.Unsign()), []string{ended}, false},
		"refused":        {fault.To(smbserver.TreeConnect, 0, fault.Refuse(smbserver.StatusRequestNotAccepted)), []string{"NT_STATUS_REQUEST_NOT_ACCEPTED"}, false},
		"locked":         {fault.To(smbserver.SessionSetup, 2, fault.Refuse(smbserver.StatusAccountLockedOut)), []string{"NT_STATUS_ACCOUNT_LOCKED_OUT"}, false},
		"in use":         {fault.To(smbserver.Create, 0, fault.Refuse(smbserver.StatusSharingViolation)), []string{"NT_STATUS_SHARING_VIOLATION"}, false},
		"next command":   {fault.To(smbserver.QueryDirectory, 1, fault.NextCommand(1<<20)), []string{"NT_STATUS_INVALID_NETWORK_RESPONSE", ended}, false},
		"next entry":     {fault.To(smbserver.QueryDirectory, 1, fault.NextEntry(1<<30)), []string{"NT_STATUS_INFO_LENGTH_MISMATCH", "NT_STATUS_INVALID_NETWORK_RESPONSE"}, false},
		"truncated":      {fault.To(smbserver.QueryDirectory, 1, fault.Truncate(68)), []string{"NT_STATUS_INVALID_NETWORK_RESPONSE", ended}, false},
		"shorter length": {fault.To(smbserver.QueryDirectory, 1, fault.Length(40)), []string{"NT_STATUS_INVALID_NETWORK_RESPONSE", ended}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := one(t, fleet.Files{{Name: "one.bak", Size: 7, Modified: sample()}})
			if err := o.Change(func(truth *fleet.Truth) { truth.Faults = fault.List{c.fault} }); err != nil {
				t.Fatal(err)
			}
			out, err := smbclient(t, o.Addr(), "d$", defaultAccount(), "-t", "1", "-c", `ls BackupFull\*`)
			if !slices.ContainsFunc(c.want, func(s string) bool { return strings.Contains(out, s) }) {
				t.Errorf("%v, want one of %q in:\n%s", err, c.want, out)
			}
			if listed := strings.Contains(out, "one.bak"); listed != c.fine {
				t.Errorf("%v, in:\n%s", err, out)
			}
		})
	}
}

// TestSmbclientTooMany: who comes after the last for whom there is room is told so.
func TestSmbclientTooMany(t *testing.T) {
	t.Parallel()
	o := one(t, fleet.Files{{Name: "one.bak", Size: 7, Modified: sample()}})
	if err := o.Change(func(truth *fleet.Truth) { truth.MaxSessions = 1 }); err != nil {
		t.Fatal(err)
	}
	c, err := connect(t, o.Addr(), fleet.DefaultUser, fleet.DefaultPassword, 0)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := smbclient(t, o.Addr(), "d$", defaultAccount(), "-c", "ls"); err == nil || !strings.Contains(out, "NT_STATUS_REQUEST_NOT_ACCEPTED") {
		t.Errorf("%v: %s", err, out)
	}
	if n := o.Stats().OpenSessions; n != 1 {
		t.Errorf("%d sessions are open", n)
	}
	if err := c.session.Logoff(); err != nil {
		t.Fatal(err)
	}
	until(t, "log off", func() bool { return o.Stats().OpenSessions == 0 })
	if out, err := smbclient(t, o.Addr(), "d$", defaultAccount(), "-c", "ls"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// kept is a connection that keeps what is written to it.
type kept struct {
	net.Conn
	bytes.Buffer
}

func (k *kept) Write(p []byte) (int, error) { return k.Buffer.Write(p) }
func (k *kept) Read([]byte) (int, error)    { panic("nobody reads") }

// TestMutator: the same seed makes the same of the same, and changes a part.
func TestMutator(t *testing.T) {
	t.Parallel()
	made := func(seed uint64, oneIn int) (out []string, changed int) {
		l := fault.List{fault.Every(fault.Mutator{Seed: seed, OneIn: oneIn}.Act())}
		for number := range 400 {
			frame := append([]byte{0, 0, 0, 200}, bytes.Repeat([]byte{7}, 200)...)
			var k kept
			r := &smbserver.Response{Command: smbserver.Create, Number: number, Frame: bytes.Clone(frame), Sign: func([]byte) {}}
			if err := l.Write(context.Background(), &k, r, nil); err != nil {
				t.Fatal(err)
			}
			out = append(out, k.String())
			if k.String() != string(frame) {
				changed++
			}
		}
		return out, changed
	}
	a, changed := made(1, 4)
	if b, _ := made(1, 4); !slices.Equal(a, b) {
		t.Error("the same seed makes something else")
	}
	if b, _ := made(2, 4); slices.Equal(a, b) {
		t.Error("another seed makes the same")
	}
	if changed < 50 || changed > 150 {
		t.Errorf("%d of 400 answers are changed, want about 100", changed)
	}
}
