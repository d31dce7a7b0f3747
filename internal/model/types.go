package model

import (
	"reflect"
	"strings"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	admissionregistrationv1alpha1 "k8s.io/api/admissionregistration/v1alpha1"
	admissionregistrationv1beta1 "k8s.io/api/admissionregistration/v1beta1"
	apiserverinternalv1alpha1 "k8s.io/api/apiserverinternal/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	appsv1beta1 "k8s.io/api/apps/v1beta1"
	appsv1beta2 "k8s.io/api/apps/v1beta2"
	authenticationv1 "k8s.io/api/authentication/v1"
	authenticationv1alpha1 "k8s.io/api/authentication/v1alpha1"
	authenticationv1beta1 "k8s.io/api/authentication/v1beta1"
	authorizationv1 "k8s.io/api/authorization/v1"
	authorizationv1beta1 "k8s.io/api/authorization/v1beta1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	batchv1beta1 "k8s.io/api/batch/v1beta1"
	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1alpha1 "k8s.io/api/certificates/v1alpha1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	coordinationv1 "k8s.io/api/coordination/v1"
	coordinationv1alpha2 "k8s.io/api/coordination/v1alpha2"
	coordinationv1beta1 "k8s.io/api/coordination/v1beta1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	eventsv1 "k8s.io/api/events/v1"
	eventsv1beta1 "k8s.io/api/events/v1beta1"
	extensionsv1beta1 "k8s.io/api/extensions/v1beta1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	flowcontrolv1beta1 "k8s.io/api/flowcontrol/v1beta1"
	flowcontrolv1beta2 "k8s.io/api/flowcontrol/v1beta2"
	flowcontrolv1beta3 "k8s.io/api/flowcontrol/v1beta3"
	lifecyclev1alpha1 "k8s.io/api/lifecycle/v1alpha1"
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1beta1 "k8s.io/api/networking/v1beta1"
	nodev1 "k8s.io/api/node/v1"
	nodev1alpha1 "k8s.io/api/node/v1alpha1"
	nodev1beta1 "k8s.io/api/node/v1beta1"
	policyv1 "k8s.io/api/policy/v1"
	policyv1beta1 "k8s.io/api/policy/v1beta1"
	rbacv1 "k8s.io/api/rbac/v1"
	rbacv1alpha1 "k8s.io/api/rbac/v1alpha1"
	rbacv1beta1 "k8s.io/api/rbac/v1beta1"
	resourcev1 "k8s.io/api/resource/v1"
	resourcev1alpha3 "k8s.io/api/resource/v1alpha3"
	resourcev1beta1 "k8s.io/api/resource/v1beta1"
	resourcev1beta2 "k8s.io/api/resource/v1beta2"
	schedulingv1 "k8s.io/api/scheduling/v1"
	schedulingv1alpha3 "k8s.io/api/scheduling/v1alpha3"
	schedulingv1beta1 "k8s.io/api/scheduling/v1beta1"
	storagev1 "k8s.io/api/storage/v1"
	storagev1alpha1 "k8s.io/api/storage/v1alpha1"
	storagev1beta1 "k8s.io/api/storage/v1beta1"
	storagemigrationv1 "k8s.io/api/storagemigration/v1"
	storagemigrationv1beta1 "k8s.io/api/storagemigration/v1beta1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// builtinVersions says how to list the types of each version of a group that
// k8s.io/api holds. Nothing is registered before a document asks for it.
var builtinVersions = map[string]func(*runtime.Scheme) error{
	"admissionregistration.k8s.io/v1":       admissionregistrationv1.AddToScheme,
	"admissionregistration.k8s.io/v1alpha1": admissionregistrationv1alpha1.AddToScheme,
	"admissionregistration.k8s.io/v1beta1":  admissionregistrationv1beta1.AddToScheme,
	"internal.apiserver.k8s.io/v1alpha1":    apiserverinternalv1alpha1.AddToScheme,
	"apps/v1":                               appsv1.AddToScheme,
	"apps/v1beta1":                          appsv1beta1.AddToScheme,
	"apps/v1beta2":                          appsv1beta2.AddToScheme,
	"authentication.k8s.io/v1":              authenticationv1.AddToScheme,
	"authentication.k8s.io/v1alpha1":        authenticationv1alpha1.AddToScheme,
	"authentication.k8s.io/v1beta1":         authenticationv1beta1.AddToScheme,
	"authorization.k8s.io/v1":               authorizationv1.AddToScheme,
	"authorization.k8s.io/v1beta1":          authorizationv1beta1.AddToScheme,
	"autoscaling/v1":                        autoscalingv1.AddToScheme,
	"autoscaling/v2":                        autoscalingv2.AddToScheme,
	"batch/v1":                              batchv1.AddToScheme,
	"batch/v1beta1":                         batchv1beta1.AddToScheme,
	"certificates.k8s.io/v1":                certificatesv1.AddToScheme,
	"certificates.k8s.io/v1alpha1":          certificatesv1alpha1.AddToScheme,
	"certificates.k8s.io/v1beta1":           certificatesv1beta1.AddToScheme,
	"coordination.k8s.io/v1":                coordinationv1.AddToScheme,
	"coordination.k8s.io/v1alpha2":          coordinationv1alpha2.AddToScheme,
	"coordination.k8s.io/v1beta1":           coordinationv1beta1.AddToScheme,
	"v1":                                    corev1.AddToScheme,
	"discovery.k8s.io/v1":                   discoveryv1.AddToScheme,
	"discovery.k8s.io/v1beta1":              discoveryv1beta1.AddToScheme,
	"events.k8s.io/v1":                      eventsv1.AddToScheme,
	"events.k8s.io/v1beta1":                 eventsv1beta1.AddToScheme,
	"extensions/v1beta1":                    extensionsv1beta1.AddToScheme,
	"flowcontrol.apiserver.k8s.io/v1":       flowcontrolv1.AddToScheme,
	"flowcontrol.apiserver.k8s.io/v1beta1":  flowcontrolv1beta1.AddToScheme,
	"flowcontrol.apiserver.k8s.io/v1beta2":  flowcontrolv1beta2.AddToScheme,
	"flowcontrol.apiserver.k8s.io/v1beta3":  flowcontrolv1beta3.AddToScheme,
	"lifecycle.k8s.io/v1alpha1":             lifecyclev1alpha1.AddToScheme,
	"networking.k8s.io/v1":                  networkingv1.AddToScheme,
	"networking.k8s.io/v1beta1":             networkingv1beta1.AddToScheme,
	"node.k8s.io/v1":                        nodev1.AddToScheme,
	"node.k8s.io/v1alpha1":                  nodev1alpha1.AddToScheme,
	"node.k8s.io/v1beta1":                   nodev1beta1.AddToScheme,
	"policy/v1":                             policyv1.AddToScheme,
	"policy/v1beta1":                        policyv1beta1.AddToScheme,
	"rbac.authorization.k8s.io/v1":          rbacv1.AddToScheme,
	"rbac.authorization.k8s.io/v1alpha1":    rbacv1alpha1.AddToScheme,
	"rbac.authorization.k8s.io/v1beta1":     rbacv1beta1.AddToScheme,
	"resource.k8s.io/v1":                    resourcev1.AddToScheme,
	"resource.k8s.io/v1alpha3":              resourcev1alpha3.AddToScheme,
	"resource.k8s.io/v1beta1":               resourcev1beta1.AddToScheme,
	"resource.k8s.io/v1beta2":               resourcev1beta2.AddToScheme,
	"scheduling.k8s.io/v1":                  schedulingv1.AddToScheme,
	"scheduling.k8s.io/v1alpha3":            schedulingv1alpha3.AddToScheme,
	"scheduling.k8s.io/v1beta1":             schedulingv1beta1.AddToScheme,
	"storage.k8s.io/v1":                     storagev1.AddToScheme,
	"storage.k8s.io/v1alpha1":               storagev1alpha1.AddToScheme,
	"storage.k8s.io/v1beta1":                storagev1beta1.AddToScheme,
	"storagemigration.k8s.io/v1":            storagemigrationv1.AddToScheme,
	"storagemigration.k8s.io/v1beta1":       storagemigrationv1beta1.AddToScheme,
}

// shape says what a field may hold.
type shape uint8

const (
	shapeAny shape = iota
	shapeObject
	shapeMap
	shapeList
	shapeString
	shapeBool
	shapeInt
	shapeFloat
	shapeIntOrString
	shapeQuantity
)

func (s shape) String() string {
	return [...]string{"anything", "map", "map", "list", "string", "boolean", "integer", "number", "integer or a string", "quantity"}[s]
}

// noun is the shape with its article.
func (s shape) noun() string {
	switch s {
	case shapeAny:
		return s.String()
	case shapeInt, shapeIntOrString:
		return "an " + s.String()
	}
	return "a " + s.String()
}

// typeInfo describes one Go type as JSON sees it.
type typeInfo struct {
	shape    shape
	bits     uint8 // of an integer
	unsigned bool
	fields   map[string]*typeInfo // of an object
	elem     *typeInfo            // of a map or a list
}

// schemas holds the descriptions of the built-in types, made when first asked
// for. It is safe for concurrent use.
type schemas struct {
	byKind sync.Map // typeName -> *typeInfo, nil for kinds that k8s.io/api lacks

	mu       sync.Mutex
	versions map[string]map[string]reflect.Type // apiVersion -> kind -> type
	types    map[reflect.Type]*typeInfo
}

type typeName struct{ apiVersion, kind string }

var builtin = schemas{versions: map[string]map[string]reflect.Type{}, types: map[reflect.Type]*typeInfo{}}

// lookup returns the description of a kind, or nil when k8s.io/api has no such
// kind.
func (s *schemas) lookup(apiVersion, kind string) *typeInfo {
	name := typeName{apiVersion, kind}
	if t, ok := s.byKind.Load(name); ok {
		return t.(*typeInfo)
	}
	add := builtinVersions[apiVersion]
	if add == nil {
		return nil // not stored: the names of unknown types have no bound
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kinds := s.kinds(apiVersion, add)
	t, ok := kinds[kind]
	if !ok {
		return nil
	}
	described := s.describe(t)
	s.byKind.Store(name, described)
	return described
}

// metadata returns the description of object metadata.
func (s *schemas) metadata() *typeInfo {
	name := typeName{"meta/v1", "ObjectMeta"} // no apiVersion of an object is so called: its kinds are not looked up here
	if t, ok := s.byKind.Load(name); ok {
		return t.(*typeInfo)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	described := s.describe(reflect.TypeFor[metav1.ObjectMeta]())
	s.byKind.Store(name, described)
	return described
}

// kinds lists the types of a version that are objects.
func (s *schemas) kinds(apiVersion string, add func(*runtime.Scheme) error) map[string]reflect.Type {
	if kinds, ok := s.versions[apiVersion]; ok {
		return kinds
	}
	kinds := map[string]reflect.Type{}
	scheme := runtime.NewScheme()
	if gv, err := schema.ParseGroupVersion(apiVersion); err == nil && add(scheme) == nil {
		for kind, t := range scheme.KnownTypes(gv) {
			if t.PkgPath() != "k8s.io/apimachinery/pkg/apis/meta/v1" { // options of requests
				kinds[kind] = t
			}
		}
	}
	s.versions[apiVersion] = kinds
	return kinds
}

// opaque are the types that read JSON in their own way.
var opaque = map[reflect.Type]typeInfo{
	reflect.TypeFor[resource.Quantity]():    {shape: shapeQuantity},
	reflect.TypeFor[intstr.IntOrString]():   {shape: shapeIntOrString},
	reflect.TypeFor[metav1.Time]():          {shape: shapeString},
	reflect.TypeFor[metav1.MicroTime]():     {shape: shapeString},
	reflect.TypeFor[metav1.Duration]():      {shape: shapeString},
	reflect.TypeFor[metav1.FieldsV1]():      {shape: shapeAny},
	reflect.TypeFor[runtime.RawExtension](): {shape: shapeAny},
	// Base64 text. That it can be decoded is not checked: secrets that are kept
	// encrypted in git cannot, before they are decrypted.
	reflect.TypeFor[[]byte](): {shape: shapeString},
}

// describe makes the description of a type. The caller holds the lock.
func (s *schemas) describe(t reflect.Type) *typeInfo {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if d, ok := s.types[t]; ok {
		return d
	}
	d := &typeInfo{}
	s.types[t] = d // before its fields, which may lead back to it
	if known, ok := opaque[t]; ok {
		*d = known
		return d
	}
	switch t.Kind() {
	case reflect.Struct:
		d.shape, d.fields = shapeObject, make(map[string]*typeInfo, t.NumField())
		s.describeFields(d, t)
	case reflect.Map:
		d.shape, d.elem = shapeMap, s.describe(t.Elem())
	case reflect.Slice:
		d.shape, d.elem = shapeList, s.describe(t.Elem())
	case reflect.String:
		d.shape = shapeString
	case reflect.Bool:
		d.shape = shapeBool
	case reflect.Float32, reflect.Float64:
		d.shape = shapeFloat
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.shape, d.bits = shapeInt, uint8(t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.shape, d.bits, d.unsigned = shapeInt, uint8(t.Bits()), true
	}
	return d
}

func (s *schemas) describeFields(d *typeInfo, t reflect.Type) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && (f.Anonymous || strings.Contains(options, "inline")):
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			s.describeFields(d, inner)
		case name == "":
			d.fields[f.Name] = s.describe(f.Type)
		default:
			d.fields[name] = s.describe(f.Type)
		}
	}
}
