package gateway_test

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"unicode"
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
// cells, none of which a spreadsheet would run, however it splits the line, or
// steers a terminal.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"", "full.bak", "=cmd|' /C calc'!A0", "+1", "-1.5", "@SUM(A1)", "\t=1", "  =1+1", "＝1", "a\"b,c\r\nd", "%0A", "|x",
		`A,B";=1+1;"C.bak`, "x;=HYPERLINK(1)", "x; \"=1\";y", "x\t@y", "a\n-b", `a;"";=b`, "a\x00b.bak", "\x1b[2J\u009b1m", "=\x00=1", "\x00=1",
	} {
		f.Add(seed, "2.45 GB")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		line := gateway.CSVLine("B1", a, b)
		all, err := csv.NewReader(strings.NewReader(line)).ReadAll()
		if err != nil || len(all) != 1 || len(all[0]) != 3 {
			t.Fatalf("%q, %q: %q, %v", a, b, all, err)
		}
		plain := func(s string) string { return strings.ReplaceAll(s, "'", "") }
		for i, want := range []string{a, b} {
			want = strings.ReplaceAll(want, "\r\n", "\n") // as the reader gives it
			want = strings.Map(func(r rune) rune {
				if unicode.IsControl(r) && r != '\t' && r != '\r' && r != '\n' {
					return utf8.RuneError
				}
				return r
			}, want)
			if got := all[0][i+1]; plain(got) != plain(want) {
				t.Errorf("%q became %q", want, got)
			}
		}
		for _, separator := range ",;\t" {
			for _, got := range splitLine(line, separator) {
				first, _ := utf8.DecodeRuneInString(strings.TrimSpace(got))
				if _, err := strconv.ParseFloat(got, 64); err != nil && strings.ContainsRune("=+-@＝＋－＠", first) && got != "" {
					t.Errorf("%q, split at %q: %q would be run", line, separator, got)
				}
			}
		}
	})
}

// splitLine reads cells as spreadsheets do: where a cell begins with a quote, all
// up to the next single one belongs to it; every other quote is a character.
func splitLine(text string, separator rune) (cells []string) {
	var cell strings.Builder
	begins, quoted := true, false
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		switch {
		case quoted && r == '"' && i+1 < len(runes) && runes[i+1] == '"':
			cell.WriteRune(r)
			i++
		case quoted && r == '"':
			quoted = false
		case !quoted && begins && r == '"':
			quoted = true
		case !quoted && (r == separator || r == '\r' || r == '\n'):
			cells = append(cells, cell.String())
			cell.Reset()
			begins = true
			continue
		default:
			cell.WriteRune(r)
		}
		begins = false
	}
	return append(cells, cell.String())
}
