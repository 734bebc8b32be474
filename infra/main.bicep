// Everything meshwright needs in one subscription: what is made, in which order, and what of it is optional. One module a concern.
targetScope = 'subscription'

@description('Name of the azd environment; the resource group and every resource are named after it.')
@minLength(1)
@maxLength(24)
param environmentName string

@description('Region of everything that has one.')
param location string

@description('Node version of the functions; infra/check-region.ts compares it with what the region offers before anything is made.')
param runtimeVersion string = '22'

@description('Memory of one instance of the functions.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('At most so many instances of the functions; the platform takes 40 or more.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('serverless: one region, paid by the request. autoscale: provisioned throughput, and as many regions as cosmosRegions says. An account cannot go from one to the other.')
@allowed(['serverless', 'autoscale'])
param cosmosAccountType string = 'serverless'

@description('Highest throughput of the container in RU/s, of an autoscale account.')
param cosmosMaxThroughput int = 1000

@description('Names of further regions of an autoscale account, in the order of failing over.')
param cosmosRegions array = []

@description('Private endpoints and a virtual network; Event Grid then delivers to a queue instead of the function, and Azure Resource Manager tells nothing.')
param privateNetwork bool = false

@description('Whether the code is there: Event Grid asks a function whether it exists before it subscribes it. azd sets this after the first deployment.')
param functionsDeployed bool = false

@description('Ids of the tenants whose tokens are taken; none: that of this subscription.')
param entraTenantIds array = []

@description('Application (client) id of the app registration that callers ask for tokens of. Empty: nobody is let in.')
param entraClientId string = ''

@description('Where tokens come from in a national cloud; empty elsewhere.')
param entraAuthority string = ''

@description('For senders that have no identity: <door>=<SHA-256 of the key, hex>, commas between them. What is given here is no secret, the keys are.')
param doorKeys string = ''

@description('Object id of the same app registration, which action groups ask for.')
param entraObjectId string = ''

@description('Resource id of a container registry whose pushes begin rollouts; empty for none. It has to be in this subscription.')
param registryId string = ''

@description('Region of that registry, where the topic of its events has to be made; empty for the region of everything.')
param registryLocation string = ''

@description('Resource ids of AKS clusters that data planes are reached by; the identity of the functions gets its roles on each.')
param clusterIds array = []

@description('Namespaces of those clusters where meshwright changes who signs, or asks pods what they serve: istio-system, linkerd. Empty: nowhere.')
param controlPlaneNamespaces array = []

@description('Resource ids of the Key Vaults that Istio add-ons of AKS read their CA from, where meshwright is to rotate it.')
param addonVaultIds array = []

@description('What of Azure Resource Manager begins rollouts and looks for drift: the beginnings of operation names.')
param watchedOperations array = [
  'Microsoft.ContainerService/managedClusters/'
  'Microsoft.App/containerApps/'
  'Microsoft.Web/sites/'
  'Microsoft.Compute/virtualMachineScaleSets/'
]

@description('Who is told when meshwright itself is not well.')
param alertEmails array = []

@description('Settings that specs name, such as TEAMS_WEBHOOK: each refers to the secret of the vault that has its name in lower case, with - for _ (teams-webhook).')
param secretSettings array = []

@description('Days that telemetry is kept.')
param logRetentionDays int = 30

@description('Days for which an anchor of the journal cannot be changed or removed by anybody, once the policy is locked.')
param anchorRetentionDays int = 90

@description('Set once you have locked that policy: a locked one cannot be written again, not even with the same days.')
param anchorsLocked bool = false

@description('How storage is kept: in three zones, or in one where a region has no zones.')
@allowed(['Standard_ZRS', 'Standard_LRS'])
param storageRedundancy string = 'Standard_ZRS'

@description('The server for plain Envoys, as a Container App.')
param deployXds bool = false

@description('Image of the server for plain Envoys, in the registry of registryId.')
param xdsImage string = ''

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var ownTenantId = subscription().tenantId
var tenantIds = empty(entraTenantIds) ? [ownTenantId] : entraTenantIds
var registryGroup = empty(registryId) ? 'rg-${environmentName}' : (split(registryId, '/')[4])
var networked = privateNetwork || deployXds

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identities './identities.bicep' = {
  name: 'identities'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    deployXds: deployXds
  }
}

module observability './observability.bicep' = {
  name: 'observability'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    retentionDays: logRetentionDays
    functionsPrincipalId: identities.outputs.functionsPrincipalId
  }
}

module network './network.bicep' = if (networked) {
  name: 'network'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
  }
}

module storage './storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    privateNetwork: privateNetwork
    anchorRetentionDays: anchorRetentionDays
    anchorsLocked: anchorsLocked
    redundancy: storageRedundancy
    workspaceId: observability.outputs.workspaceId
    functionsPrincipalId: identities.outputs.functionsPrincipalId
  }
}

module cosmos './cosmos.bicep' = {
  name: 'cosmos'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    accountType: cosmosAccountType
    maxThroughput: cosmosMaxThroughput
    regions: cosmosRegions
    privateNetwork: privateNetwork
    workspaceId: observability.outputs.workspaceId
    functionsPrincipalId: identities.outputs.functionsPrincipalId
    xdsPrincipalId: identities.outputs.xdsPrincipalId
    deployXds: deployXds
  }
}

module vault './vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    privateNetwork: privateNetwork
    workspaceId: observability.outputs.workspaceId
    functionsPrincipalId: identities.outputs.functionsPrincipalId
  }
}

module functions './functions.bicep' = {
  name: 'functions'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    runtimeVersion: runtimeVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    privateNetwork: privateNetwork
    subnetId: networked ? network!.outputs.functionsSubnetId : ''
    identityId: identities.outputs.functionsId
    identityClientId: identities.outputs.functionsClientId
    storageAccountName: storage.outputs.hostAccountName
    deploymentContainerUrl: storage.outputs.deploymentContainerUrl
    deadLetterContainerUrl: storage.outputs.deadLetterContainerUrl
    anchorsContainerUrl: storage.outputs.anchorsContainerUrl
    journalIngestionEndpoint: observability.outputs.journalIngestionEndpoint
    journalRuleId: observability.outputs.journalRuleId
    journalStreamName: observability.outputs.journalStreamName
    telemetryConnectionString: observability.outputs.telemetryConnectionString
    workspaceId: observability.outputs.workspaceId
    cosmosEndpoint: cosmos.outputs.endpoint
    cosmosDatabase: cosmos.outputs.database
    cosmosContainer: cosmos.outputs.container
    entraTenantIds: tenantIds
    entraClientId: entraClientId
    entraAuthority: entraAuthority
    doorKeys: doorKeys
    xdsUrl: deployXds ? xds!.outputs.doorUrl : ''
    vaultName: vault.outputs.vaultName
    secretSettings: secretSettings
  }
}

module events './events.bicep' = {
  name: 'events'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    privateNetwork: privateNetwork
    functionsDeployed: functionsDeployed
    functionAppId: functions.outputs.functionAppId
    functionsPrincipalId: identities.outputs.functionsPrincipalId
    hostAccountName: storage.outputs.hostAccountName
    recordsAccountName: storage.outputs.recordsAccountName
    eventsQueueName: storage.outputs.eventsQueueName
    deadLetterContainerName: storage.outputs.deadLetterContainerName
    vaultId: vault.outputs.vaultId
    registryId: registryId
    registryLocation: empty(registryLocation) ? location : registryLocation
    watchedOperations: watchedOperations
    workspaceId: observability.outputs.workspaceId
  }
}

module alerts './alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    workspaceId: observability.outputs.workspaceId
    functionAppName: functions.outputs.functionAppName
    functionsUrl: functions.outputs.url
    alertEmails: alertEmails
    functionsDeployed: functionsDeployed
    entraClientId: entraClientId
    entraObjectId: entraObjectId
  }
}

module endpoints './private-endpoints.bicep' = if (privateNetwork) {
  name: 'private-endpoints'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    virtualNetworkId: network!.outputs.virtualNetworkId
    subnetId: network!.outputs.endpointsSubnetId
    hostAccountId: storage.outputs.hostAccountId
    recordsAccountId: storage.outputs.recordsAccountId
    cosmosAccountId: cosmos.outputs.accountId
    vaultId: vault.outputs.vaultId
    topicId: events.outputs.topicId
    functionAppId: functions.outputs.functionAppId
  }
}

module xds './xds.bicep' = if (deployXds) {
  name: 'xds'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    image: xdsImage
    registryId: registryId
    subnetId: network!.outputs.xdsSubnetId
    identityId: identities.outputs.xdsId
    identityClientId: identities.outputs.xdsClientId
    cosmosEndpoint: cosmos.outputs.endpoint
    cosmosDatabase: cosmos.outputs.database
    cosmosContainer: cosmos.outputs.container
    workspaceId: observability.outputs.workspaceId
  }
}

module registryAccess './registry-access.bicep' = if (deployXds && !empty(registryId)) {
  name: 'registry-access'
  scope: resourceGroup(registryGroup)
  params: {
    registryName: last(split(registryId, '/'))
    xdsPrincipalId: identities.outputs.xdsPrincipalId
  }
}

module clusterAccess './aks-access.bicep' = [for clusterId in clusterIds: {
  name: 'aks-access-${uniqueString(clusterId)}'
  scope: resourceGroup(split(clusterId, '/')[2], split(clusterId, '/')[4])
  params: {
    clusterName: last(split(clusterId, '/'))
    controlPlaneNamespaces: controlPlaneNamespaces
    functionsPrincipalId: identities.outputs.functionsPrincipalId
  }
}]

module addonVaultAccess './addon-vault-access.bicep' = [for vaultId in addonVaultIds: {
  name: 'addon-vault-access-${uniqueString(vaultId)}'
  scope: resourceGroup(split(vaultId, '/')[2], split(vaultId, '/')[4])
  params: {
    vaultName: last(split(vaultId, '/'))
    functionsPrincipalId: identities.outputs.functionsPrincipalId
  }
}]

output AZURE_LOCATION string = location
output AZURE_TENANT_ID string = tenant().tenantId
output AZURE_RESOURCE_GROUP string = group.name
output SERVICE_FUNCTIONS_NAME string = functions.outputs.functionAppName
output MESHWRIGHT_URL string = functions.outputs.url
output MESHWRIGHT_VAULT_URL string = vault.outputs.vaultUrl
output MESHWRIGHT_FUNCTIONS_CLIENT_ID string = identities.outputs.functionsClientId
output MESHWRIGHT_EVENTS_ENDPOINT string = events.outputs.topicEndpoint
output MESHWRIGHT_ALERTS_ACTION_GROUP string = alerts.outputs.meshwrightActionGroupId
