package sse

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzMessage: whatever an id or a name holds, a message is one event, and
// nothing of them passes for a field of its own.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{"", "20260221T103000Z-ABCDEF", "a\ndata: forged\n\n", "a\r\revent: x", "\x00", "\u2028"} {
		f.Add(seed, "backup.observed.v1", `{"a":1}`)
		f.Add("1", seed, `{}`)
	}
	f.Fuzz(func(t *testing.T, id, event, data string) {
		if strings.ContainsAny(data, "\r\n") {
			t.Skip() // JSON has none
		}
		b := Message{ID: id, Event: event, Data: []byte(data)}.Bytes()
		if !bytes.HasSuffix(b, []byte("data: "+data+"\n\n")) || bytes.ContainsAny(b, "\r\x00") && !strings.ContainsAny(data, "\x00") {
			t.Fatalf("%q", b)
		}
		fields := strings.Split(strings.TrimSuffix(string(b), "\n\n"), "\n")
		for _, line := range fields {
			if name, _, _ := strings.Cut(line, ": "); name != "id" && name != "event" && name != "data" {
				t.Fatalf("a field %q in %q", name, b)
			}
		}
		if len(fields) > 3 {
			t.Fatalf("%d fields in %q", len(fields), b)
		}
	})
}
