package smb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// sink keeps the beginnings of frames.
type sink struct {
	most   int
	frames []string
	bodies int
}

func (s *sink) limit() int          { return s.most }
func (s *sink) header(message)      {}
func (s *sink) body(p []byte) error { s.bodies += len(p); return nil }
func (s *sink) whole(m message) error {
	s.frames = append(s.frames, string(m))
	return nil
}

// TestFramer: however the bytes arrive, the frames are the same.
func TestFramer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		frames := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 1, 6).Draw(t, "frames")
		var stream []byte
		var want []string
		bodies := 0
		for _, f := range frames {
			bodies += max(0, len(f)-headerSize)
			stream = binary.BigEndian.AppendUint32(stream, uint32(len(f)))
			stream = append(stream, f...)
			want = append(want, string(f[:min(len(f), prefixSize)]))
		}
		var f framer
		got := &sink{most: 300}
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(t, "part")
			if err := f.feed(stream[:n], got); err != nil {
				t.Fatal(err)
			}
			stream = stream[n:]
		}
		if !reflect.DeepEqual(got.frames, want) || got.bodies != bodies {
			t.Fatalf("got %d frames %q and %d bytes after headers, want %d %q and %d", len(got.frames), got.frames, got.bodies, len(want), want, bodies)
		}
	})
}

func TestFramerLimit(t *testing.T) {
	t.Parallel()
	var f framer
	if err := f.feed([]byte{0, 0, 3, 232}, &sink{most: 1000}); err != nil {
		t.Errorf("a frame of 1000 bytes: %v", err)
	}
	f = framer{}
	if err := f.feed([]byte{0, 0, 3, 233}, &sink{most: 1000}); !errors.Is(err, errTooLarge) {
		t.Errorf("a frame of 1001 bytes: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	cases := []struct{ in, host, dial, unc string }{
		{"10.1.2.3", "10.1.2.3", "10.1.2.3:445", `\\10.1.2.3\d$`},
		{" shop7 ", "shop7", "shop7:445", `\\shop7\d$`},
		{"shop7:1445", "shop7", "shop7:1445", `\\shop7\d$`},
		{"fe80::1", "fe80::1", "[fe80::1]:445", `\\fe80--1.ipv6-literal.net\d$`},
		{"[fe80::1]", "fe80::1", "[fe80::1]:445", `\\fe80--1.ipv6-literal.net\d$`},
		{"[fe80::1%eth0]:1445", "fe80::1%eth0", "[fe80::1%eth0]:1445", `\\fe80--1seth0.ipv6-literal.net\d$`},
	}
	for _, c := range cases {
		host, dial, err := dialAddress(c.in, 445)
		if err != nil || host != c.host || dial != c.dial || uncShare(host, "d$") != c.unc {
			t.Errorf("%q: host %q, dial %q, %q, %v", c.in, host, dial, uncShare(host, "d$"), err)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	cases := []struct{ user, domain, wantDomain, wantUser, text string }{
		{"Administrator", "", "", "Administrator", "Administrator"},
		{"Administrator", "SHOPS", "SHOPS", "Administrator", `SHOPS\Administrator`},
		{`OTHER\svc`, "SHOPS", "OTHER", "svc", `OTHER\svc`},
		{"svc@shops.example", "SHOPS", "shops.example", "svc", `shops.example\svc`},
		{`.\Administrator`, "SHOPS", "", "Administrator", "Administrator"},
	}
	for _, c := range cases {
		got := NewCredential(c.user, "pass", c.domain)
		if got.Domain != c.wantDomain || got.User != c.wantUser || got.Password != "pass" || got.String() != c.text {
			t.Errorf("%q in %q: %#v", c.user, c.domain, got)
		}
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(format, got); text != c.text {
				t.Errorf("%s prints %q", format, text)
			}
		}
	}
}

// TestGate: what costs more than the credits waits, and never alone.
func TestGate(t *testing.T) {
	t.Parallel()
	g := newGate(func() int { return 30 })
	inside, leave := make(chan struct{}), make(chan struct{})
	first := make(chan error)
	go func() {
		first <- g.do(t.Context(), 16, func() error { close(inside); <-leave; return nil })
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := g.do(ctx, 16, func() error { t.Error("both were let in"); return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second: %v", err)
	}
	entered := make(chan error)
	go func() { entered <- g.do(t.Context(), 16, func() error { return nil }) }()
	close(leave)
	if err := errors.Join(<-first, <-entered); err != nil {
		t.Error(err)
	}
}
