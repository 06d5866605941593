package gateway_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"backupmonitor/services/internal/store"
)

// Who takes gzip gets the same list packed, whole by its checksum, and each with
// an end of its own; who does not gets it plain.
func TestListInGzip(t *testing.T) {
	t.Parallel()
	e := start(t)
	var looks []store.Look
	for i := range 500 {
		looks = append(looks, good(fmt.Sprintf("S%04d", i), "2026-02-20", "2026-02-20T01:00:00Z"))
	}
	e.fill(t, nil, looks...)
	var plain string
	for _, accepted := range []struct {
		header string
		packed bool
	}{
		{"identity", false}, {"br, gzip;q=0", false}, {"gzip; q=0.000", false}, {"x-gzip, ;;, deflate", false}, {"gzip;q=no", false},
		{"gzip", true}, {"br;q=1.0, GZIP;q=0.5, *;q=0", true}, {"deflate,gzip", true},
	} {
		header := http.Header{"Accept-Encoding": {accepted.header}, "Authorization": {"Bearer " + e.support}}
		a := e.plain(t, http.MethodGet, prefix+"/backup-stats", header)
		if got := a.header.Get("Content-Encoding") == "gzip"; a.status != http.StatusOK || got != accepted.packed || a.header.Get("Vary") != "Accept-Encoding" {
			t.Fatalf("%q: %d, %v", accepted.header, a.status, a.header)
		}
		if a.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
			t.Errorf("%q: %s bytes are promised, %d came", accepted.header, a.header.Get("Content-Length"), len(a.body))
		}
		body := a.body
		if accepted.packed {
			if 4*len(a.body) > len(plain) {
				t.Errorf("%d bytes instead of %d", len(a.body), len(plain))
			}
			body = unpacked(t, a.body)
		}
		var list statsJSON
		if err := json.Unmarshal([]byte(body), &list); err != nil || list.Count != 500 {
			t.Fatalf("%q: %v, %d", accepted.header, err, list.Count)
		}
		records, _, _ := strings.Cut(body, `"count"`)
		if plain == "" {
			plain = records
		}
		if records != plain {
			t.Errorf("%q gets other records", accepted.header)
		}
	}
}

// unpacked is the one member of a file of gzip, which browsers read no more of.
func unpacked(t *testing.T, packed string) string {
	t.Helper()
	from := strings.NewReader(packed)
	z, err := gzip.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	z.Multistream(false)
	text, err := io.ReadAll(z)
	if err != nil || from.Len() != 0 {
		t.Fatal(err, from.Len())
	}
	return string(text)
}
