package events

import (
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// FuzzDecode: whatever lies in a stream, it is an event or an error, and an
// event can be written and read again.
func FuzzDecode(f *testing.F) {
	for _, p := range samples() {
		m, err := Encode("/backup-monitor/test", at("2026-03-14T02:00:04Z"), p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Header.Get(headerType), m.Header.Get(headerID), m.Header.Get(headerTime), m.Data)
	}
	f.Add("backup.observed.v1", "%", "", []byte(`{"scanDate":"0000-99-99","mode":"x","drives":[{}],"verdict":{"file":null}}`))
	f.Fuzz(func(t *testing.T, kind, id, when string, data []byte) {
		e, err := Decode(nats.Header{
			headerSpecVersion: {specVersion}, headerSource: {"/test"}, headerID: {id}, headerType: {kind}, headerTime: {when},
		}, data)
		if err != nil {
			return
		}
		m, err := Encode("/test", time.Now(), e.Data)
		if err != nil {
			return // such as a time that JSON cannot carry
		}
		again, err := Decode(m.Header, m.Data)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, m.Data)
		}
		if m2, err := Encode("/test", time.Now(), again.Data); err != nil || !reflect.DeepEqual(m2.Data, m.Data) {
			t.Errorf("read again it is %s, and was %s: %v", m2.Data, m.Data, err)
		}
	})
}
