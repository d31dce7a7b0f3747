package storage

import (
	"strconv"
	"strings"

	"ullage.dev/ullage/internal/tree"
)

// State answers a question that may not have an answer.
type State string

// The states. "" is where the question makes no sense.
const (
	Yes     State = "yes"
	No      State = "no"
	Unknown State = "unknown"
)

// Encryption says whether the driver of a volume, or the service that it stands
// for, encrypts what is written to it. The disks below them are another matter.
type Encryption struct {
	State  State
	Reason string // one clause; set unless State is ""
}

func unknownBecause(reason string) Encryption { return Encryption{Unknown, reason} }

// driver says how a storage driver encrypts.
type driver struct {
	// parameter asks for encryption, by having the value; "" for none.
	parameter, value string
	// exactly says that the driver compares with the value as it stands. Of
	// others it is not known what they make of True or 1.
	exactly bool
	// key is the parameter that names the user's own key.
	key string
	// always says why volumes are encrypted without being asked for.
	always string
	// otherwise is what holds where nobody asks; without it always holds.
	otherwise Encryption
	// attribute says that a PersistentVolume shows the parameter among its
	// attributes, and that it decides there.
	attribute bool
	// annotation of a claim that asks for encryption, by being "true".
	annotation string
}

var (
	// The driver of the API server's own, aws-ebs, read more spellings than that
	// which stands for it now.
	inTreeEBS = driver{parameter: "encrypted", value: "true", key: "kmskeyid", otherwise: ebs.otherwise}
	ebs       = driver{parameter: "encrypted", value: "true", exactly: true, key: "kmskeyid",
		otherwise: unknownBecause("the class does not ask for encryption, and whether the AWS account encrypts all volumes cannot be seen here")}
	googleDisk = driver{key: "disk-encryption-kms-key", always: "Google Cloud encrypts all persistent disks"}
	azureDisk  = driver{key: "diskencryptionsetid", always: "Azure encrypts all managed disks"}
	azureFile  = driver{always: "Azure encrypts all file shares at rest"}
	portworx   = driver{parameter: "secure", value: "true", annotation: "px/secure", otherwise: Encryption{No, "neither the class nor the claim sets secure to \"true\""}}
	ceph       = driver{parameter: "encrypted", value: "true", attribute: true,
		otherwise: Encryption{No, "the class does not set encrypted to \"true\"; whether Ceph's own disks are encrypted is another matter"}}
	longhorn = driver{parameter: "encrypted", value: "true", attribute: true,
		otherwise: Encryption{No, "the class does not set encrypted to \"true\"; whether the nodes' disks are encrypted is another matter"}}
)

// drivers are those whose documents say what their parameters do.
var drivers = map[string]driver{
	"ebs.csi.aws.com": ebs, "kubernetes.io/aws-ebs": inTreeEBS, "awsElasticBlockStore": inTreeEBS,
	"efs.csi.aws.com":       {otherwise: unknownBecause("whether an EFS file system is encrypted is decided when it is made, outside of Kubernetes")},
	"pd.csi.storage.gke.io": googleDisk, "kubernetes.io/gce-pd": googleDisk, "gcePersistentDisk": googleDisk,
	"disk.csi.azure.com": azureDisk, "kubernetes.io/azure-disk": azureDisk, "azureDisk": azureDisk,
	"file.csi.azure.com": azureFile, "kubernetes.io/azure-file": azureFile, "azureFile": azureFile,
	"pxd.portworx.com": portworx, "kubernetes.io/portworx-volume": portworx, "portworxVolume": portworx,
	"driver.longhorn.io": longhorn,
	"storage.csi.upcloud.com": {parameter: "encryption", value: "data-at-rest",
		otherwise: unknownBecause("the class does not ask for encryption, and what UpCloud does by itself is not known here")},
	"csi.cloudscale.ch": {parameter: "csi.cloudscale.ch/luks-encrypted", value: "true",
		otherwise: unknownBecause("the class does not ask for encryption, and what cloudscale.ch does by itself is not known here")},
	"cinder.csi.openstack.org":     {otherwise: unknownBecause("the volume type decides, inside OpenStack")},
	"kubernetes.io/cinder":         {otherwise: unknownBecause("the volume type decides, inside OpenStack")},
	"cinder":                       {otherwise: unknownBecause("the volume type decides, inside OpenStack")},
	"csi.vsphere.vmware.com":       {otherwise: unknownBecause("the storage policy decides, inside vSphere")},
	"kubernetes.io/vsphere-volume": {otherwise: unknownBecause("the storage policy decides, inside vSphere")},
	"vsphereVolume":                {otherwise: unknownBecause("the storage policy decides, inside vSphere")},
	"nfs":                          {otherwise: unknownBecause("the NFS server decides")},
	"iscsi":                        {otherwise: unknownBecause("the iSCSI target decides")},
	"fc":                           {otherwise: unknownBecause("the storage array decides")},
	"hostPath":                     {otherwise: unknownBecause(ofNode)},
	"local":                        {otherwise: unknownBecause(ofNode)},
}

const ofNode = "the files are on the node, and whether its disk is encrypted cannot be seen here"

func driverNamed(name string) (driver, bool) {
	// Rook puts the name of its namespace before the driver's.
	if name == "rbd.csi.ceph.com" || name == "cephfs.csi.ceph.com" || strings.HasSuffix(name, ".rbd.csi.ceph.com") || strings.HasSuffix(name, ".cephfs.csi.ceph.com") {
		return ceph, true
	}
	d, ok := drivers[name]
	return d, ok
}

// made says how a volume was, or will be, made.
type made struct {
	driver string
	// class is the StorageClass; nil when it was not read, and when there is none:
	// then static is set.
	class       *tree.Node
	static      bool
	attributes  *tree.Node // of the PersistentVolume, or nil
	annotations *tree.Node // of the claim, or nil
}

// encryption judges what the driver does.
func (m made) encryption() Encryption {
	d, ok := driverNamed(m.driver)
	if !ok {
		return unknownBecause("what driver " + m.driver + " does is not known here")
	}
	parameters := m.class.Get("parameters")
	if d.always != "" {
		if d.key != "" && parameter(parameters, d.key) != "" {
			return Encryption{Yes, d.always + ", here with the key that the class names"}
		}
		return Encryption{Yes, d.always}
	}
	if d.parameter == "" {
		return d.otherwise
	}
	if d.attribute {
		if e := d.says("the volume's attributes say ", m.attributes); e.State != "" {
			return e
		}
	}
	switch {
	case d.annotation != "" && m.annotations.Get(d.annotation).Str() == "true":
		return Encryption{Yes, "the claim's annotation " + d.annotation + " asks for it"}
	case m.static:
		return unknownBecause("the volume was not made of a class, so its maker decided")
	case m.class == nil:
		return unknownBecause("the class that says whether to encrypt was not read")
	}
	if e := d.says("the class says ", parameters); e.State != "" {
		if e.State == Yes && d.key != "" && parameter(parameters, d.key) != "" {
			e.Reason += ", with a key of its own"
		}
		return e
	}
	return d.otherwise
}

// says reads the parameter that asks for encryption; the State is "" where it
// does not.
func (d driver) says(who string, parameters *tree.Node) Encryption {
	value := parameter(parameters, d.parameter)
	said := who + d.parameter + ": " + strconv.Quote(value)
	on, err := strconv.ParseBool(value)
	switch {
	case value == d.value:
		return Encryption{Yes, said}
	case d.exactly && strings.EqualFold(value, d.value):
		return unknownBecause(said + ", which the driver takes for no, and whether the AWS account encrypts all volumes cannot be seen here")
	case !d.exactly && (strings.EqualFold(value, d.value) || d.value == "true" && err == nil && on):
		return unknownBecause(said + ", and whether the driver takes that for \"" + d.value + "\" is not known here")
	}
	return Encryption{}
}

// parameter returns a parameter of a class or of a volume. Drivers that are
// known here do not tell upper from lower case, or have lower case alone.
func parameter(parameters *tree.Node, name string) string {
	for i := range parameters.Children() {
		if p := &parameters.Children()[i]; strings.EqualFold(p.Key(), name) {
			return p.Str()
		}
	}
	return ""
}
