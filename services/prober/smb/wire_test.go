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

// TestFramer: however the bytes arrive, the frames are the same.
func TestFramer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		frames := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 1, 6).Draw(t, "frames")
		var stream []byte
		var want []string
		for _, f := range frames {
			stream = binary.BigEndian.AppendUint32(stream, uint32(len(f)))
			stream = append(stream, f...)
			want = append(want, string(f[:min(len(f), prefixSize)]))
		}
		var f framer
		var got []string
		for len(stream) > 0 {
			n := rapid.IntRange(1, len(stream)).Draw(t, "part")
			err := f.feed(stream[:n], func() int { return 300 }, func(p []byte) { got = append(got, string(p)) })
			if err != nil {
				t.Fatal(err)
			}
			stream = stream[n:]
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %d frames %q, want %d %q", len(got), got, len(want), want)
		}
	})
}

func TestFramerLimit(t *testing.T) {
	t.Parallel()
	none := func([]byte) {}
	limit := func() int { return 1000 }
	var f framer
	if err := f.feed([]byte{0, 0, 3, 232}, limit, none); err != nil {
		t.Errorf("a frame of 1000 bytes: %v", err)
	}
	f = framer{}
	if err := f.feed([]byte{0, 0, 3, 233}, limit, none); !errors.Is(err, errFrameTooLarge) {
		t.Errorf("a frame of 1001 bytes: %v", err)
	}
}

// FuzzMessage: no frame of a stranger may break what reads it.
func FuzzMessage(f *testing.F) {
	answer := make([]byte, prefixSize)
	copy(answer, "\xFESMB")
	answer[headerSize] = 65
	f.Add(answer)
	f.Add([]byte("\xFESMB"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w := newWire(nil, time.Second, time.Time{}, time.Now)
		w.sending(message(b))
		w.received(b[:min(len(b), prefixSize)])
		if c := w.look().clock(); c.Known() && (c.Server.Year() < 1970 || c.Server.Year() > 2200) {
			t.Errorf("clock %v", c)
		}
	})
}

func TestFileTime(t *testing.T) {
	t.Parallel()
	cases := map[uint64]time.Time{
		0:                  {},
		116444736000000000: time.Unix(0, 0).UTC(),
		116444735999999999: {}, // 1969
		134176953234567890: time.Date(2026, 3, 11, 9, 35, 23, 456789000, time.UTC),
		1<<64 - 1:          {},
		1 << 63:            {},
	}
	for in, want := range cases {
		if got := fileTime(in); !got.Equal(want) {
			t.Errorf("%d is %v, want %v", in, got, want)
		}
	}
	// What the library makes of a file without a time.
	zero := uint64(0)
	wrapped := int64(zero-116444736000000000) * 100
	if got := fileInfoTime(time.Unix(0, wrapped)); !got.IsZero() {
		t.Errorf("a file without a time is of %v", got)
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
