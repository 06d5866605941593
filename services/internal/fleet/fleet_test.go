package fleet_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/smbserver"
)

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// until waits for something that happens on another goroutine.
func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-limit.C:
			t.Fatalf("%s: did not happen", what)
		case <-tick.C:
		}
	}
}

// TestChange lets the truth change under a running outlet.
func TestChange(t *testing.T) {
	t.Parallel()
	o := one(t, fleet.Nightly{Prefix: "DB_", Suffix: ".bak", Bytes: 1 << 30, Keep: 3})
	listed := func() (int, string) {
		c, err := connect(t, o.Addr(), fleet.DefaultUser, fleet.DefaultPassword, 0)
		if err != nil {
			return 0, outcome(err)
		}
		infos, err := c.list("D$", "backupfull")
		return len(infos), outcome(err)
	}
	change := func(f func(*fleet.Truth)) {
		t.Helper()
		if err := o.Change(f); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(n int, want string) {
		t.Helper()
		if got, err := listed(); got != n || err != want {
			t.Errorf("listed %d files, %s; want %d, %s", got, err, n, want)
		}
	}
	expect(3, "ok")
	before := o.Truth()
	change(func(tr *fleet.Truth) {
		tr.Add(fleet.DShare, fleet.BackupFolder, fleet.File{Name: "next.bak", Modified: sample()})
	})
	change(func(tr *fleet.Truth) {
		tr.Add(fleet.DShare, fleet.BackupFolder, fleet.File{Name: "last.bak", Modified: sample()})
	})
	expect(5, "ok")
	if n := len(before.Files(fleet.DShare, fleet.BackupFolder, time.Now())); n != 3 {
		t.Errorf("a copy of the truth taken before has %d files, want 3", n)
	}
	change(func(tr *fleet.Truth) { tr.Password = "other" })
	expect(0, "0xC000006D")
	change(func(tr *fleet.Truth) { tr.Password = ""; delete(tr.Drives, fleet.DShare) })
	expect(0, "0xC00000CC")
	change(func(tr *fleet.Truth) { tr.Add(fleet.DShare, `BackupFull\deeper`, fleet.File{Name: "x.bak"}) })
	expect(1, "ok")
	change(func(tr *fleet.Truth) { tr.Drives[fleet.DShare] = fleet.Drive{NoMedium: true} })
	expect(0, "0xC0000013")
	if failed := o.Stats().FailedSignIns; failed != 1 {
		t.Errorf("%d failed sign-ins counted, want 1", failed)
	}
}

// TestUnreachable makes an outlet go away with a conversation open, and come back at the same address.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	o := one(t, fleet.Files{})
	addr := o.Addr()
	conn := dial(t, addr)
	until(t, "accept", func() bool { return o.Stats().Connections == 1 })
	if err := o.Change(func(tr *fleet.Truth) { tr.Reach = fleet.Unreachable }); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the conversation goes on")
	}
	if _, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v, want it refused", err)
	}
	if err := o.Change(func(tr *fleet.Truth) { tr.Reach = fleet.Reachable }); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, addr, fleet.DefaultUser, fleet.DefaultPassword, 0); err != nil || o.Addr() != addr {
		t.Errorf("connect to %s after it came back: %v", addr, err)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	o := one(t, fleet.Files{{Name: "a.bak", Modified: sample()}})
	var held sync.WaitGroup
	for range 3 {
		held.Go(func() {
			c, err := connect(t, o.Addr(), fleet.DefaultUser, fleet.DefaultPassword, 0x0311)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := c.list(fleet.DShare, fleet.BackupFolder); err != nil {
				t.Error(err)
			}
		})
	}
	held.Wait()
	stats := o.Stats()
	if stats.Connections != 3 || stats.PeakConnections != 3 || stats.Accepted != 3 || stats.Sessions != 3 {
		t.Errorf("with three sessions open: %+v", stats)
	}
	want := map[smbserver.Command]int64{
		smbserver.Negotiate: 3, smbserver.SessionSetup: 6, smbserver.TreeConnect: 3, smbserver.Create: 3,
		smbserver.QueryDirectory: 6, smbserver.Close: 3, smbserver.TreeDisconnect: 3,
	}
	if !maps.Equal(stats.Requests, want) {
		t.Errorf("requests %v, want %v", stats.Requests, want)
	}
}

// negotiateRequest is one for dialect 2.1, as it goes over the line, [MS-SMB2] 2.2.3.
func negotiateRequest() []byte {
	request := make([]byte, 64+36+2)
	copy(request, "\xfeSMB\x40")
	request[64], request[66] = 36, 1
	binary.LittleEndian.PutUint16(request[100:], 0x0210)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)
}

// systemTime reads the server's clock from the answer to that, [MS-SMB2] 2.2.4.
func systemTime(t *testing.T, o *fleet.Outlet) uint64 {
	t.Helper()
	conn := dial(t, o.Addr())
	if _, err := conn.Write(negotiateRequest()); err != nil {
		t.Fatal(err)
	}
	var answer [4 + 64 + 64]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(answer[4+64+40:])
}

func TestClock(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	const ticksAt = 134221104000000000 // that moment, in units of 100 ns since 1601
	const year = 365 * 24 * time.Hour
	for name, test := range map[string]struct {
		truth fleet.Truth
		want  uint64
	}{
		"right":  {fleet.Truth{}, ticksAt},
		"ahead":  {fleet.Truth{ClockOffset: 3 * year}, ticksAt + 3*uint64(year/100)},
		"behind": {fleet.Truth{ClockOffset: -2 * year}, ticksAt - 2*uint64(year/100)},
		"untold": {fleet.Truth{ClockOffset: year, ClockUntold: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := start(t, fleet.Options{Now: func() time.Time { return at }}, fleet.Spec{Code: "B1", Truth: test.truth}).Outlets()[0]
			if got := systemTime(t, o); got != test.want {
				t.Errorf("SystemTime %d, want %d", got, test.want)
			}
			if _, err := connect(t, o.Addr(), fleet.DefaultUser, fleet.DefaultPassword, 0); err != nil {
				t.Errorf("sign in: %v", err)
			}
		})
	}
}

// TestLatency expects requests in flight to wait together, and requests that follow each other to wait in turn.
func TestLatency(t *testing.T) {
	t.Parallel()
	const latency = 100 * time.Millisecond
	o := start(t, fleet.Options{}, fleet.Spec{Code: "B1", Truth: fleet.Truth{Latency: latency}}).Outlets()[0]
	begin := time.Now()
	c, err := connect(t, o.Addr(), fleet.DefaultUser, fleet.DefaultPassword, 0)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 3*latency {
		t.Errorf("three requests, one after the other, took %s, want at least %s", took, 3*latency)
	}
	begin = time.Now()
	const requests = 60
	var together sync.WaitGroup
	for i := range requests {
		together.Go(func() {
			if _, err := c.session.Mount(fmt.Sprintf("none%d$", i)); outcome(err) != "0xC00000CC" {
				t.Error(err)
			}
		})
	}
	together.Wait()
	if took := time.Since(begin); took < latency || took > requests/2*latency {
		t.Errorf("%d requests at once took %s, want little more than %s", requests, took, latency)
	}
}

// TestIntercept spoils one answer, and expects the client to notice.
func TestIntercept(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []smbserver.Command
	spoil := func(o *fleet.Outlet) smbserver.Intercept {
		return func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
			mu.Lock()
			seen = append(seen, r.Command)
			mu.Unlock()
			if r.Command == smbserver.TreeConnect {
				r.Frame[len(r.Frame)-1] ^= 1
				if o.Code() == "SIGNED" {
					r.Sign(r.Frame[4:])
				}
			}
			_, err := conn.Write(r.Frame)
			return err
		}
	}
	f := start(t, fleet.Options{Intercept: spoil},
		fleet.Spec{Code: "SPOILT", Truth: fleet.Truth{Drives: map[string]fleet.Drive{"d$": {}}}},
		fleet.Spec{Code: "SIGNED", Truth: fleet.Truth{Drives: map[string]fleet.Drive{"d$": {}}}})
	for _, o := range f.Outlets() {
		c, err := connect(t, o.Addr(), fleet.DefaultUser, fleet.DefaultPassword, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.session.Mount("d$"); (err == nil) != (o.Code() == "SIGNED") {
			t.Errorf("%s: mount: %v", o.Code(), err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 8 || seen[0] != smbserver.Negotiate || seen[3] != smbserver.TreeConnect {
		t.Errorf("responses seen: %v", seen)
	}
}

func TestStartRefusesTwins(t *testing.T) {
	t.Parallel()
	f, err := fleet.Start(t.Context(), []fleet.Spec{{Code: "b1"}, {Code: "B1"}}, fleet.Options{})
	if err == nil {
		t.Fatal("two outlets of one code are accepted", f.Close())
	}
}

func TestContextEndsFleet(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f, err := fleet.Start(ctx, fleet.Demo(20, 1, time.Now), fleet.Options{
		Address: func(i int) string { return fmt.Sprintf("127.3.2.%d:0", i+1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	o, ok := f.Outlet("b0001")
	if host, _, _ := net.SplitHostPort(o.Addr()); !ok || host != "127.3.2.1" {
		t.Errorf("outlet B0001 listens on %s", o.Addr())
	}
	conn := dial(t, o.Addr())
	cancel()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the conversation goes on")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
