package gateway_test

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"backupmonitor/services/gateway"
)

// FuzzQuery: any query is read, or refused with a sentence of one line that is
// the client's fault.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "outlet=S1&limit=10", "date_from=2026-02-21&date_to=2026-02-20", "date_from=2026-02-30", "limit=-1", "limit=99999999999999999999",
		"status=Failed&cause=stale", "outlet=%00%0a&offset=0", "outlet=1&outlet=2", "a;b", "%zz", "limit=0x10", "=", "&&&",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		err := gateway.ReadQuery(raw)
		if err == nil {
			return
		}
		if status, _ := gateway.ProblemOf(err); status != http.StatusBadRequest {
			t.Errorf("%q: status %d, %v", raw, status, err)
		}
		if text := err.Error(); strings.ContainsAny(text, "\n\r\x1b") || !strings.HasSuffix(text, ".") {
			t.Errorf("%q: %q", raw, text)
		}
	})
}

// FuzzCSV: whatever the cells hold, they come back as one line of as many
// cells, none of which a spreadsheet would run.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"", "full.bak", "=cmd|' /C calc'!A0", "+1", "-1.5", "@SUM(A1)", "\t=1", "  =1+1", "＝1", "a\"b,c\r\nd", "%0A", "|x"} {
		f.Add(seed, "2.45 GB")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		r := csv.NewReader(strings.NewReader(gateway.CSVLine(a, b)))
		all, err := r.ReadAll()
		if err != nil || len(all) != 1 || len(all[0]) != 2 {
			t.Fatalf("%q, %q: %q, %v", a, b, all, err)
		}
		for i, want := range []string{a, b} {
			got := all[0][i]
			want = strings.ReplaceAll(want, "\r\n", "\n") // as the reader gives it
			if strings.TrimPrefix(got, "'") != strings.TrimPrefix(want, "'") {
				t.Errorf("%q became %q", want, got)
			}
			first, _ := utf8.DecodeRuneInString(strings.TrimSpace(got))
			if _, err := strconv.ParseFloat(got, 64); err != nil && strings.ContainsRune("=+-@＝＋－＠", first) && got != "" {
				t.Errorf("%q would be run", got)
			}
		}
	})
}
