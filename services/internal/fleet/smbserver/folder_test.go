package smbserver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestQueryDirectoryInPieces(t *testing.T) {
	t.Parallel()
	for _, class := range []byte{infoDirectory, infoFullDirectory, infoBothDirectory, infoNames, infoIDBothDirectory, infoIDFullDirectory} {
		for _, room := range []uint32{200, 1000, 65536} {
			k := signedIn(t, dialect311, files(100)...)
			k.open("folder")
			var got []string
			for {
				h, message := k.ask(QueryDirectory, queryDirectoryRequest(k.id(), class, 0, "*", room))
				if h.status == StatusNoMoreFiles {
					break
				}
				if h.status != StatusOK {
					t.Fatalf("class %d: answered with %v", class, h.status)
				}
				if n := binary.LittleEndian.Uint32(message[headerSize+4:]); n > room {
					t.Fatalf("class %d: %d bytes where %d were asked for", class, n, room)
				}
				got = append(got, names(t, message, class)...)
			}
			if len(got) != 102 || got[0] != "." || got[1] != ".." || got[101] != "file0099.bak" {
				t.Errorf("class %d, %d bytes at a time: %d names", class, room, len(got))
			}
		}
	}
}

func TestQueryDirectoryFlags(t *testing.T) {
	t.Parallel()
	const restart, single, reopen = 0x01, 0x02, 0x10
	k := signedIn(t, dialect210, files(12)...)
	k.open("folder")
	for i, step := range []struct {
		flags   byte
		pattern string
		want    string
	}{
		{single, "*.BAK", "file0000.bak"},
		{single, "ignored", "file0001.bak"},
		{restart | single, "", "file0000.bak"},
		{0, "", "file0001.bak … file0011.bak"},
		{0, "", StatusNoMoreFiles.Error()},
		{restart, "*1.bak", "file0001.bak … file0011.bak"},
		{reopen, "file000?.bak", "file0000.bak … file0009.bak"},
		{reopen, "none", StatusNoSuchFile.Error()},
		{0, "", StatusNoMoreFiles.Error()},
	} {
		h, message := k.ask(QueryDirectory, queryDirectoryRequest(k.id(), infoFullDirectory, step.flags, step.pattern, 8192))
		got := h.status.Error()
		if h.status == StatusOK {
			list := names(t, message, infoFullDirectory)
			if got = list[0]; len(list) > 1 {
				got += " … " + list[len(list)-1]
			}
		}
		if got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
	}
}

func TestQueryDirectoryRefused(t *testing.T) {
	t.Parallel()
	k := signedIn(t, dialect311, Entry{Name: strings.Repeat("n", 200)})
	k.open("folder")
	for name, test := range map[string]struct {
		class, flags byte
		pattern      string
		room         uint32
		want         Status
	}{
		"unknown class":        {99, 0, "*", 4096, StatusInvalidInfoClass},
		"too much":             {infoDirectory, 0, "*", maxTransfer + 1, StatusInvalidParameter},
		"no room":              {infoDirectory, 0, "*", 63, StatusInfoLengthMismatch},
		"no room for a name":   {infoDirectory, 0x10, "n*", 100, StatusInfoLengthMismatch},
		"pattern of 600 runes": {infoDirectory, 0, strings.Repeat("?", 600), 4096, StatusInvalidParameter},
	} {
		h, _ := k.ask(QueryDirectory, queryDirectoryRequest(k.id(), test.class, test.flags, test.pattern, test.room))
		if h.status != test.want {
			t.Errorf("%s is answered with %v, want %v", name, h.status, test.want)
		}
	}
	cheap := k.message(QueryDirectory, 0, queryDirectoryRequest(k.id(), infoDirectory, 0, "*", maxTransfer))
	binary.LittleEndian.PutUint16(cheap[6:], 2)
	k.signer.sign(cheap)
	if h, _ := k.send(cheap); h.status != StatusInvalidParameter {
		t.Errorf("a megabyte for two credits is answered with %v", h.status)
	}
}

// TestQueryInfo asks for every class there is, with room enough and with too little.
func TestQueryInfo(t *testing.T) {
	t.Parallel()
	k := signedIn(t, dialect311)
	k.open("file")
	for _, test := range []struct {
		kind, class byte
		size        int
	}{
		{1, 4, 40}, {1, 5, 24}, {1, 6, 8}, {1, 7, 4}, {1, 8, 4}, {1, 14, 8}, {1, 16, 4}, {1, 17, 4}, {1, 18, 100 + 2*len(`\file`)},
		{1, 21, 4 + 2*len("FILE~1")}, {1, 22, 24 + 2*len("::$DATA")}, {1, 34, 56}, {1, 35, 8},
		{2, 1, 18 + 2*len("Outlet")}, {2, 3, 24}, {2, 4, 8}, {2, 5, 12 + 2*len("NTFS")}, {2, 7, 32}, {2, 11, 28},
	} {
		name := fmt.Sprintf("kind %d class %d", test.kind, test.class)
		message := k.ok(QueryInfo, queryInfoRequest(k.id(), test.kind, test.class, 4096))
		whole := message[headerSize+8:]
		if len(whole) != test.size || int(binary.LittleEndian.Uint32(message[headerSize+4:])) != len(whole) {
			t.Errorf("%s: %d bytes, want %d", name, len(whole), test.size)
		}
		switch h, message := k.ask(QueryInfo, queryInfoRequest(k.id(), test.kind, test.class, uint32(test.size-1))); h.status {
		case StatusInfoLengthMismatch:
		case StatusBufferOverflow:
			if !bytes.Equal(message[headerSize+8:], whole[:test.size-1]) {
				t.Errorf("%s: cut off wrongly", name)
			}
		default:
			t.Errorf("%s with too little room is answered with %v", name, h.status)
		}
	}
	for _, unknown := range [][2]byte{{1, 99}, {2, 99}, {3, 0}, {4, 0}} {
		h, _ := k.ask(QueryInfo, queryInfoRequest(k.id(), unknown[0], unknown[1], 4096))
		if want := []Status{StatusInvalidInfoClass, StatusNotSupported}[unknown[0]/3]; h.status != want {
			t.Errorf("kind %d class %d is answered with %v, want %v", unknown[0], unknown[1], h.status, want)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	k := signedIn(t, dialect311)
	k.open("file") // 100,000 bytes
	for _, test := range []struct {
		length  uint32
		offset  uint64
		minimum uint32
		want    Status
		n       int
	}{
		{8, 8, 0, StatusOK, 8}, {100, 99_990, 0, StatusOK, 10}, {200_000, 0, 0, StatusOK, 100_000}, {0, 0, 0, StatusOK, 0},
		{100, 99_990, 11, StatusEndOfFile, 0}, {1, 100_000, 0, StatusEndOfFile, 0}, {1, 1 << 62, 0, StatusEndOfFile, 0},
		{1, 1 << 63, 0, StatusInvalidParameter, 0}, {maxTransfer + 1, 0, 0, StatusInvalidParameter, 0},
	} {
		h, message := k.ask(Read, readRequest(k.id(), test.length, test.offset, test.minimum))
		switch {
		case h.status != test.want:
			t.Errorf("%+v is answered with %v", test, h.status)
		case test.want == StatusOK && len(message) != headerSize+16+test.n:
			t.Errorf("%+v: %d bytes", test, len(message)-headerSize-16)
		case test.n > 0 && !strings.HasPrefix(strings.Repeat("content ", 3)[test.offset%8:], string(message[headerSize+16:][:8])):
			t.Errorf("%+v: %q", test, message[headerSize+16:][:8])
		}
	}
	k.open("folder")
	if h, _ := k.ask(Read, readRequest(k.id(), 1, 0, 0)); h.status != StatusInvalidDeviceRequest {
		t.Errorf("reading a folder is answered with %v", h.status)
	}
}

// TestLimits opens more than one client may.
func TestLimits(t *testing.T) {
	t.Parallel()
	k := signedIn(t, dialect210)
	for range maxFiles {
		k.open("folder")
	}
	if h, _ := k.ask(Create, createRequest("folder", 0x81, 0)); h.status != StatusInsufficientResources {
		t.Errorf("one file too many is answered with %v", h.status)
	}
	k.ok(Close, closeRequest(k.id()))
	k.open("folder")
	for range maxTrees - 1 {
		k.ok(TreeConnect, treeConnectBody(`\\host\IPC$`))
	}
	if h, _ := k.ask(TreeConnect, treeConnectBody(`\\host\d$`)); h.status != StatusInsufficientResources {
		t.Errorf("one tree too many is answered with %v", h.status)
	}
}

func TestPattern(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern string
		matches []string
		not     []string
	}{
		{"*", []string{"", "a", "a.b"}, nil},
		{"*.*", []string{"a", "a.b"}, nil},
		{"", []string{"a", "a.b"}, nil},
		{"*.bak", []string{"A.BAK", ".bak", "a.b.bak"}, []string{"abak", "a.bak.x", "bak"}},
		{"db_??.bak", []string{"DB_01.bak"}, []string{"db_1.bak", "db_001.bak"}},
		{"größe*", []string{"GRÖßE 1", "größe"}, []string{"grosse"}},
		{"日?語", []string{"日本語"}, []string{"日語", "日本本語"}},
		{"?🗄*", []string{"x🗄", "x🗄y"}, []string{"🗄"}},
		{"<.bak", []string{"a.bak", "a.b.bak"}, []string{"a.bak.x", "abak"}},
		{"<", []string{"name", "a.b."}, []string{"a.b"}},
		{`name"`, []string{"name", "name."}, []string{"name.x"}},
		{"a>>.b", []string{"a.b", "ax.b", "axy.b"}, []string{"axyz.b"}},
		{"a>>", []string{"a", "ab", "abc"}, []string{"abcd"}},
		{`f*<"*`, []string{"f", "file.bak"}, []string{"g"}},
	} {
		p := newPattern(test.pattern)
		for _, name := range test.matches {
			if !p.matches(name) {
				t.Errorf("%q does not match %q", test.pattern, name)
			}
		}
		for _, name := range test.not {
			if p.matches(name) {
				t.Errorf("%q matches %q", test.pattern, name)
			}
		}
	}
}

// TestPatternTakesItsTime runs a pattern that is read in more ways than there are atoms.
func TestPatternTakesItsTime(t *testing.T) {
	t.Parallel()
	done := make(chan bool, 1)
	go func() { done <- newPattern(strings.Repeat("*a", 250) + "b").matches(strings.Repeat("a", 500)) }()
	select {
	case matched := <-done:
		if matched {
			t.Error("matches a name without b")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("still at it")
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	w := newWindow()
	take := func(id uint64, charge uint16, want bool) {
		t.Helper()
		if got := w.take(id, charge); got != want {
			t.Errorf("id %d for %d credits: %t, want %t", id, charge, got, want)
		}
	}
	take(1, 1, false)
	take(0, 1, true)
	take(0, 1, false)
	if n := w.grant(10); n != 10 {
		t.Errorf("%d credits granted, want 10", n)
	}
	take(5, 6, true)
	take(4, 2, false)
	take(1, 4, true)
	take(11, 1, false)
	if w.low != 11 || len(w.used) != 0 {
		t.Errorf("window is %d to %d with %d used", w.low, w.high, len(w.used))
	}
	var granted []uint16
	for range 4 {
		granted = append(granted, w.grant(300))
	}
	if !slices.Equal(granted, []uint16{300, 212, 0, 0}) {
		t.Errorf("granted %v", granted)
	}
	take(11, 1, true)
	if n := w.grant(0); n != 1 {
		t.Errorf("%d credits granted to who asks for none, want 1", n)
	}
}
