package smb_test

import (
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/sambatest"
	"backupmonitor/services/prober/smb"
)

// relay is a line between a look and a server, on which each way takes time.
// It counts on the wire, knowing nothing of either end, how many round trips
// follow each other: a request is one round trip deeper than the deepest
// answer that was there before it left.
type relay struct {
	listener net.Listener
	server   string
	delay    time.Duration
	work     sync.WaitGroup

	mu       sync.Mutex
	deepest  int            // of the answers that have arrived
	depth    map[uint64]int // of requests, by message id
	requests int
	conns    int
}

func newRelay(t testing.TB, server string, delay time.Duration) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, server: server, delay: delay, depth: map[uint64]int{}}
	r.work.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			r.work.Go(func() { r.carry(client) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); r.work.Wait() })
	return r
}

// carry carries one connection, until either end closes it.
func (r *relay) carry(client net.Conn) {
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		_ = client.Close()
		return
	}
	r.mu.Lock()
	r.conns++
	r.deepest++ // the round trip of the connection itself
	r.mu.Unlock()
	var ways sync.WaitGroup
	nothing := func([]byte) {}
	ways.Go(func() { r.way(client, server, r.asked, nothing) })
	r.way(server, client, nothing, r.answered)
	ways.Wait()
}

// way carries the frames of one direction, and tells when they leave and when
// they arrive.
func (r *relay) way(from, to net.Conn, leaves, arrives func(message []byte)) {
	type late struct {
		frame []byte
		due   time.Time
	}
	queue := make(chan late, 1000)
	var writing sync.WaitGroup
	writing.Go(func() {
		for l := range queue {
			<-time.After(time.Until(l.due))
			arrives(l.frame[4:])
			_, _ = to.Write(l.frame) // the reader of the other way finds out
		}
		_ = to.Close()
	})
	for {
		frame := make([]byte, 4)
		if _, err := io.ReadFull(from, frame); err != nil {
			break
		}
		frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
		if _, err := io.ReadFull(from, frame[4:]); err != nil {
			break
		}
		leaves(frame[4:])
		queue <- late{frame, time.Now().Add(r.delay)}
	}
	_ = from.Close()
	close(queue)
	writing.Wait()
}

func (r *relay) asked(message []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	r.depth[binary.LittleEndian.Uint64(message[24:])] = r.deepest + 1
}

func (r *relay) answered(message []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deepest = max(r.deepest, r.depth[binary.LittleEndian.Uint64(message[24:])])
}

// TestRoundTrips: both modes of one outlet take at most 12 round trips that
// follow each other, that of the connection included, counted on the wire; on
// one connection, whatever the server.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	const most = 12
	count := func(t *testing.T, server string, cred smb.Credential) {
		t.Helper()
		// Long enough for what is sent together to be together.
		line := newRelay(t, server, 40*time.Millisecond)
		for mode, r := range look(t, patience, bothModes(line.listener.Addr().String(), cred)) {
			if v := judge(r); v.Cause != events.CauseOK {
				t.Errorf("%s: %s, %s", mode, v.Cause, v.Detail)
			}
		}
		line.mu.Lock()
		defer line.mu.Unlock()
		t.Logf("%d round trips, %d requests", line.deepest, line.requests)
		if line.deepest > most || line.deepest < 7 || line.requests < 12 || line.conns != 1 {
			t.Errorf("%d round trips, %d requests, %d connections", line.deepest, line.requests, line.conns)
		}
	}
	t.Run("fleet", func(t *testing.T) {
		t.Parallel()
		count(t, outlet(t, fleet.SeveralUSB, nil).Addr(), account())
	})
	t.Run("samba", func(t *testing.T) {
		t.Parallel()
		samba := sambatest.Start(t, sambatest.Config{})
		for _, share := range []string{"d$", "e$", "g$"} {
			sambatest.Write(t, filepath.Join(samba.Dir(t, 0, share), fleet.BackupFolder, "DB.bak"), 4096, time.Now())
		}
		count(t, samba.Addr(0), smb.NewCredential(samba.User, samba.Password, ""))
	})
}
