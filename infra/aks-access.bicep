// What the functions may do in one AKS cluster: read what they look at everywhere, write Services and objects of the meshes, and nothing
// else; secrets and pods only in the namespaces that are named. Deployed into the cluster's own resource group.
param clusterName string
param controlPlaneNamespaces array
param functionsPrincipalId string

var groupId = resourceGroup().id
var clusterUser = '4abbcc35-e782-43d8-92c5-2d3f1bd2253f'

// Groups of the custom resources that the renderers write, that drift is looked for in, and that are read to refuse what others say.
var meshGroups = [
  'networking.istio.io'
  'security.istio.io'
  'telemetry.istio.io'
  'gateway.networking.k8s.io'
  'policy.linkerd.io'
  'linkerd.io'
  'split.smi-spec.io'
  'specs.smi-spec.io'
  'access.smi-spec.io'
  'policy.openservicemesh.io'
  'config.openservicemesh.io'
]
var anyMeshGroup = join(map(meshGroups, name => '@Request[Microsoft.ContainerService/managedClusters/customResources:group] StringEqualsIgnoreCase \'${name}\''), ' OR ')

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' existing = {
  name: clusterName
}

resource meshRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(cluster.id, 'mesh')
  properties: {
    roleName: 'meshwright mesh objects of ${clusterName} (${uniqueString(cluster.id)})'
    description: 'Services and custom resources; which groups of them, the condition of the assignment says.'
    type: 'CustomRole'
    assignableScopes: [groupId]
    permissions: [
      {
        actions: []
        dataActions: [
          'Microsoft.ContainerService/managedClusters/namespaces/read'
          'Microsoft.ContainerService/managedClusters/pods/read'
          'Microsoft.ContainerService/managedClusters/events/read'
          'Microsoft.ContainerService/managedClusters/configmaps/read'
          'Microsoft.ContainerService/managedClusters/discovery.k8s.io/endpointslices/read'
          'Microsoft.ContainerService/managedClusters/apps/deployments/read'
          'Microsoft.ContainerService/managedClusters/apps/replicasets/read'
          'Microsoft.ContainerService/managedClusters/apps/statefulsets/read'
          'Microsoft.ContainerService/managedClusters/apps/daemonsets/read'
          'Microsoft.ContainerService/managedClusters/services/read'
          'Microsoft.ContainerService/managedClusters/services/write'
          'Microsoft.ContainerService/managedClusters/services/delete'
          'Microsoft.ContainerService/managedClusters/customresources/read'
          'Microsoft.ContainerService/managedClusters/customresources/write'
          'Microsoft.ContainerService/managedClusters/customresources/delete'
        ]
      }
    ]
  }
}

resource controlPlaneRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (!empty(controlPlaneNamespaces)) {
  name: guid(cluster.id, 'control-plane')
  properties: {
    roleName: 'meshwright control plane of ${clusterName} (${uniqueString(cluster.id)})'
    description: 'Who signs in a mesh, and a port of a pod to ask what is served. Assigned in single namespaces only.'
    type: 'CustomRole'
    assignableScopes: [groupId]
    permissions: [
      {
        actions: []
        dataActions: [
          'Microsoft.ContainerService/managedClusters/secrets/read'
          'Microsoft.ContainerService/managedClusters/secrets/write'
          'Microsoft.ContainerService/managedClusters/configmaps/write'
          'Microsoft.ContainerService/managedClusters/pods/write'
          'Microsoft.ContainerService/managedClusters/serviceaccounts/write'
        ]
      }
    ]
  }
}

@description('Where the API server is and whom to trust for it is read from Azure.')
resource userRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(cluster.id, functionsPrincipalId, clusterUser)
  scope: cluster
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', clusterUser)
  }
}

@description('Objects of the meshes are written, read back and compared; custom resources of any other group are neither read nor written.')
resource meshAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(cluster.id, functionsPrincipalId, 'mesh')
  scope: cluster
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: meshRole.id
    conditionVersion: '2.0'
    condition: '((!(ActionMatches{\'Microsoft.ContainerService/managedClusters/customresources/read\'}) AND !(ActionMatches{\'Microsoft.ContainerService/managedClusters/customresources/write\'}) AND !(ActionMatches{\'Microsoft.ContainerService/managedClusters/customresources/delete\'})) OR (${anyMeshGroup}))'
  }
}

// Only to say where: such a role is assigned to a namespace as to any other resource.
resource namespaces 'Microsoft.ContainerService/managedClusters/namespaces@2025-05-02-preview' existing = [for namespace in controlPlaneNamespaces: {
  parent: cluster
  name: namespace
}]

@description('A control plane is given who signs, and asked through a port of its pods what it serves; in its own namespace only.')
resource controlPlaneAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (namespace, index) in controlPlaneNamespaces: {
  name: guid(cluster.id, namespace, functionsPrincipalId, 'control-plane')
  scope: namespaces[index]
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: controlPlaneRole.id
  }
}]
