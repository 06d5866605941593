package gateway

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"backupmonitor/services/internal/store"
)

// bom has spreadsheets read the file as UTF-8.
const bom = "\ufeff"

// csvHeader names the columns as the tables do.
func csvHeader() []string {
	return []string{
		"OutletCode", "OutletName", "Server", "ScanDate", "Status", "Cause", "LastBackupTaken", "BackupFile", "BackupFileSize",
		"SizeBytes", "DriveLetter", "ObservedAt", "Duration", "ClockSkewSeconds", "ErrorDetails", "AdvancedDate",
	}
}

// csvRow has the rows of advancedDate too, marked in the last column.
func csvRow(r store.Row, advanced bool) []string {
	rec := recordOf(r)
	skew, size := "", ""
	if rec.ClockSkewSeconds != nil {
		skew = strconv.FormatFloat(*rec.ClockSkewSeconds, 'f', 3, 64)
	}
	if rec.SizeBytes != nil {
		size = strconv.FormatInt(*rec.SizeBytes, 10)
	}
	after := "N"
	if advanced {
		after = "Y"
	}
	return []string{
		r.Outlet, r.OutletName, r.Server, string(r.ScanDate), string(r.Status), string(r.Cause), stamp(r.LastBackupTaken), r.BackupFile,
		r.BackupFileSize, size, r.DriveLetter, stamp(r.ObservedAt), r.Duration, skew, r.ErrorDetails, after,
	}
}

func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (g *Gateway) writeCSV(ctx context.Context, w *response, q store.Query) error {
	name := "backups-" + string(q.Mode)
	for _, d := range []string{string(q.From), string(q.To)} {
		if d != "" && !strings.HasSuffix(name, d) {
			name += "-" + d
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	h.Set("Cache-Control", "no-store")
	out := bufio.NewWriterSize(statusWriter{w, http.StatusOK}, chunk)
	if _, err := out.WriteString(bom + csvLine(csvHeader())); err != nil {
		return fmt.Errorf("send the answer: %w", err)
	}
	sort := sorter{zone: g.cfg.Zone}
	err := g.rows(ctx, q, func(r store.Row) error {
		_, err := out.WriteString(csvLine(csvRow(r, sort.advanced(r))))
		return err
	})
	if err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("send the answer: %w", err)
	}
	return nil
}

// csvLine quotes every cell. Source: RFC 4180, section 2.
func csvLine(cells []string) string {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(strings.ReplaceAll(harmless(uncontrolled(c)), `"`, `""`))
		b.WriteByte('"')
	}
	b.WriteString("\r\n")
	return b.String()
}

// uncontrolled is a cell without what steers a terminal, or ends a text for some
// reader, as NUL: rows that others wrote may have it. Line breaks and tabs are
// harmless's.
func uncontrolled(cell string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) {
			return utf8.RuneError
		}
		return r
	}, cell)
}

// formulaSigns begin a formula; some spreadsheets take the wide forms for them.
const formulaSigns = "=+-@|%＝＋－＠"

// harmless keeps a spreadsheet from running a cell, or a part of it, as a formula:
// file names come from the outlets, and anybody there may choose them. Some read
// past blanks. Where the list separator is a semicolon or a tab, a line is split
// there whatever the quotes say, so that what follows one is a cell too. A number
// stays a number. Source: OWASP, CSV Injection.
func harmless(cell string) string {
	if _, err := strconv.ParseFloat(cell, 64); err == nil && !strings.ContainsAny(cell, "xXpPnN_") {
		return cell
	}
	var b strings.Builder
	if strings.HasPrefix(cell, "\t") || strings.HasPrefix(cell, "\r") || strings.HasPrefix(cell, "\n") {
		b.WriteByte('\'')
	}
	written := 0
	begins := true // what comes next is the beginning of a cell, for some reader
	for i, r := range cell {
		if begins && strings.ContainsRune(formulaSigns, r) {
			b.WriteString(cell[written:i] + "'")
			written = i
		}
		begins = strings.ContainsRune(";,\t\r\n", r) || begins && (unicode.IsSpace(r) || r == '"')
	}
	b.WriteString(cell[written:])
	return b.String()
}
