package fleet

import (
	"io"
	"slices"
	"strings"
	"time"

	"backupmonitor/services/internal/fleet/smbserver"
)

// volume shows a drive to the server, at a moment of the outlet's clock for each file that is opened.
type volume struct {
	drive Drive
	now   func() time.Time
}

// Space gives the drive's free and total bytes.
func (v volume) Space() (free, total int64) { return v.drive.Free, v.drive.Total }

// Open finds a folder or file.
func (v volume) Open(path string) (smbserver.Node, error) {
	if v.drive.NoMedium {
		return smbserver.Node{}, smbserver.StatusNoMediaInDevice
	}
	if node, ok, err := v.openFolder(path); ok {
		return node, err
	}
	parent, name := "", path
	if cut := strings.LastIndexByte(path, '\\'); cut >= 0 {
		parent, name = path[:cut], path[cut+1:]
	}
	folder, ok, err := v.openFolder(parent)
	if !ok {
		return smbserver.Node{}, smbserver.StatusObjectPathNotFound
	}
	if err != nil {
		return smbserver.Node{}, err
	}
	files := folder.Entries.(contents).files
	for i := range files.Len() {
		if file := files.File(i); strings.EqualFold(file.Name, name) {
			if file.Refusal != smbserver.StatusOK {
				return smbserver.Node{}, file.Refusal
			}
			return smbserver.Node{Entry: fileEntry(file), Content: backup{}}, nil
		}
	}
	return smbserver.Node{}, smbserver.StatusObjectNameNotFound
}

// openFolder opens a folder that is named in the truth, or lies above one that is.
func (v volume) openFolder(path string) (node smbserver.Node, ok bool, err error) {
	folder, named := v.drive.Folder(path)
	folders := v.below(path)
	if !named && len(folders) == 0 && path != "" {
		return smbserver.Node{}, false, nil
	}
	if folder.Refusal != smbserver.StatusOK {
		return smbserver.Node{}, true, folder.Refusal
	}
	name := path[strings.LastIndexByte(path, '\\')+1:]
	return smbserver.Node{
		Entry:   folderEntry(name),
		Entries: contents{folders, folder.list(v.now())},
	}, true, nil
}

// below gives the names of the folders in a folder, in order.
func (v volume) below(path string) []string {
	var names []string
	for full := range v.drive.Folders {
		rest := full
		if path != "" {
			if len(full) <= len(path) || full[len(path)] != '\\' || !strings.EqualFold(full[:len(path)], path) {
				continue
			}
			rest = full[len(path)+1:]
		}
		name, _, _ := strings.Cut(rest, `\`)
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// contents are a folder's entries: folders first, then files.
type contents struct {
	folders []string
	files   Listing
}

// Len counts folders and files.
func (c contents) Len() int { return len(c.folders) + c.files.Len() }

// Entry gives one of them.
func (c contents) Entry(i int) smbserver.Entry {
	if i < len(c.folders) {
		return folderEntry(c.folders[i])
	}
	return fileEntry(c.files.File(i - len(c.folders)))
}

// folderEntry is a folder as it is listed; all were made on the same day.
func folderEntry(name string) smbserver.Entry {
	made := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	return smbserver.Entry{Name: name, Dir: true, Created: made, Modified: made}
}

func fileEntry(f File) smbserver.Entry {
	return smbserver.Entry{Name: f.Name, Size: f.Size, Created: f.Created, Modified: f.Modified}
}

// backup is the content of every file: what a SQL Server backup begins with, the tape block of the Microsoft Tape
// Format, then zeros.
type backup struct{}

// ReadAt never fails.
func (backup) ReadAt(p []byte, offset int64) (int, error) {
	const head = "TAPE"
	clear(p)
	if offset < int64(len(head)) {
		copy(p, head[offset:])
	}
	return len(p), nil
}

var _ io.ReaderAt = backup{}
