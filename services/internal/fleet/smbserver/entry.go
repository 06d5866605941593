package smbserver

import "encoding/binary"

const clusterSize = 4096 // bytes

// attributes are a folder's or an ordinary file's, [MS-FSCC] 2.6.
func attributes(e Entry) uint32 {
	const directory, archive = 0x10, 0x20
	if e.Dir {
		return directory
	}
	return archive
}

// appendTimes writes creation, last access, last write and change; the last three are the same moment.
func appendTimes(b []byte, e Entry) []byte {
	modified := filetime(e.Modified)
	b = binary.LittleEndian.AppendUint64(b, filetime(e.Created))
	for range 3 {
		b = binary.LittleEndian.AppendUint64(b, modified)
	}
	return b
}

// appendSizes writes the allocated and the real size.
func appendSizes(b []byte, e Entry) []byte {
	allocated := (max(0, e.Size) + clusterSize - 1) / clusterSize * clusterSize
	b = binary.LittleEndian.AppendUint64(b, uint64(allocated))
	return binary.LittleEndian.AppendUint64(b, uint64(max(0, e.Size)))
}

// Information classes of a folder's entries, [MS-FSCC] 2.4.
const (
	infoDirectory       = 1
	infoFullDirectory   = 2
	infoBothDirectory   = 3
	infoNames           = 12
	infoIDBothDirectory = 37
	infoIDFullDirectory = 38
)

// entryFixed is how many bytes precede the name in an entry of this class; 0 for a class there is not.
func entryFixed(class byte) int {
	switch class {
	case infoDirectory:
		return 64
	case infoFullDirectory:
		return 68
	case infoBothDirectory:
		return 94
	case infoNames:
		return 12
	case infoIDBothDirectory:
		return 104
	case infoIDFullDirectory:
		return 80
	}
	return 0
}

// appendEntry writes one entry, whose NextEntryOffset is left 0. The id must be the same whenever the entry is listed.
func appendEntry(b []byte, class byte, e Entry, id uint64) []byte {
	le := binary.LittleEndian
	name := encodeUTF16(e.Name)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // NextEntryOffset, FileIndex
	if class == infoNames {
		return append(le.AppendUint32(b, uint32(len(name))), name...)
	}
	b = appendTimes(b, e)
	// End of file precedes the allocation here, other than in the answer to a create.
	size := max(0, e.Size)
	b = le.AppendUint64(b, uint64(size))
	b = le.AppendUint64(b, uint64((size+clusterSize-1)/clusterSize*clusterSize))
	b = le.AppendUint32(b, attributes(e))
	b = le.AppendUint32(b, uint32(len(name)))
	if class == infoDirectory {
		return append(b, name...)
	}
	b = le.AppendUint32(b, 0) // extended attributes
	switch class {
	case infoBothDirectory:
		b = append(b, make([]byte, 26)...) // no short name
	case infoIDBothDirectory:
		b = append(b, make([]byte, 28)...)
		b = le.AppendUint64(b, id)
	case infoIDFullDirectory:
		b = le.AppendUint32(b, 0)
		b = le.AppendUint64(b, id)
	}
	return append(b, name...)
}
