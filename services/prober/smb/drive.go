package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/cloudsoda/go-smb2"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

const (
	// chunk is how many entries of a folder are taken from the library at
	// once. What it keeps beside them is one answer of the server.
	chunk = 4096
	// spaceGrace is how long a finished listing waits for the free space,
	// which was asked for together with it.
	spaceGrace = 2 * time.Second
)

// driveLook looks at one drive.
type driveLook struct {
	entry
	gate    *gate
	price   int // of one part of a listing, in credits
	place   Place
	files   *verdict.Selection
	working *sync.WaitGroup // what may outlast the look at this drive
	trace   func(step, detail string, d time.Duration)

	drive events.Drive
	step  string // under way
	took  map[string]time.Duration
}

// run fills drive. Without a complete listing it holds an error and no files.
func (d *driveLook) run(ctx context.Context) {
	d.took = map[string]time.Duration{}
	err := guard(func() error { return d.see(ctx) })
	if err != nil {
		d.drive.Error = driveError(d.step, d.drive, d.place.Credential, err)
		return
	}
	d.drive.FileCount, d.drive.Files, d.drive.FilesAfter = d.files.Count(), d.files.Files(), d.files.FilesAfter()
}

// see goes to the folder and reads it. Nothing is closed: the server does that
// when the connection ends, and without another round trip.
func (d *driveLook) see(ctx context.Context) error {
	var share *smb2.Share
	err := d.timed(StepShare, d.drive.Share, func() error {
		return d.gate.do(ctx, 1, func() (err error) {
			share, err = d.session.WithContext(ctx).Mount(uncShare(d.host, d.drive.Share))
			return err
		})
	})
	if err != nil {
		return err
	}
	var folder *smb2.File
	err = d.timed(StepFolder, where(d.drive), func() (err error) {
		folder, err = share.WithContext(ctx).Open(folderPath(d.drive.Folder))
		return err
	})
	if err != nil {
		return err
	}
	space := make(chan smb2.FileFsInfo, 1)
	d.working.Go(func() {
		defer close(space)
		_ = guard(func() error { // no space known is no fault of the look
			info, err := folder.Statfs()
			if err == nil {
				space <- info
			}
			return err
		})
	})
	if err := d.timed(StepList, where(d.drive), func() error { return d.list(ctx, folder) }); err != nil {
		return err
	}
	select {
	case info, ok := <-space:
		if ok {
			d.drive.FreeBytes, d.drive.TotalBytes = capacity(info)
		}
	case <-time.After(spaceGrace):
	case <-ctx.Done():
	}
	return nil
}

// list reads the folder to its end, part by part.
func (d *driveLook) list(ctx context.Context, folder *smb2.File) error {
	for first := true; ; first = false {
		var infos []os.FileInfo
		err := d.gate.do(ctx, d.price, func() (err error) {
			infos, err = folder.Readdir(chunk)
			return err
		})
		for _, info := range infos {
			if info.IsDir() {
				continue
			}
			f, err := file(info)
			if err != nil {
				return err
			}
			d.files.Add(f)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case first && isStatus(err, statusNoSuchFile):
			return nil // a root without any entry; [MS-FSA] 2.1.5.6.3
		case first && isRefusedListing(err) && isFile(folder):
			return errNotAFolder
		case err != nil:
			return err
		}
	}
}

// isRefusedListing tells the answers of servers that were asked to list a file:
// Windows gives the first, Samba the second.
func isRefusedListing(err error) bool {
	return isStatus(err, statusInvalidParameter) || isStatus(err, statusNotSupported)
}

func isFile(f *smb2.File) bool {
	info, err := f.Stat()
	return err == nil && !info.IsDir()
}

func file(info os.FileInfo) (events.File, error) {
	f := events.File{Name: info.Name(), Bytes: info.Size(), Modified: infoTime(info.ModTime())}
	if f.Name == "" || strings.ContainsAny(f.Name, "\\/\x00") {
		return f, fmt.Errorf("the server says that there is a file %q", f.Name)
	}
	if f.Bytes < 0 {
		return f, fmt.Errorf("the server says that %q has %d bytes", f.Name, f.Bytes)
	}
	if stat, ok := info.Sys().(*smb2.FileStat); ok {
		f.Created = infoTime(stat.CreationTime)
	}
	return f, nil
}

// capacity is free and total bytes. The library's block is an allocation unit,
// sectors included; its fragment is not a size. Numbers that cannot be are
// none.
func capacity(info smb2.FileFsInfo) (free, total *uint64) {
	overF, f := bits.Mul64(info.FreeBlockCount(), info.BlockSize())
	overT, t := bits.Mul64(info.TotalBlockCount(), info.BlockSize())
	if overF != 0 || overT != 0 || f > t {
		return nil, nil
	}
	return &f, &t
}

func (d *driveLook) timed(step, detail string, f func() error) error {
	d.step = step
	began := time.Now()
	err := f()
	d.took[step] = time.Since(began)
	if err != nil {
		detail += ": " + err.Error()
	}
	d.trace(step, detail, d.took[step])
	return err
}
