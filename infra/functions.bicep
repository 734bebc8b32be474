// The functions: a Flex Consumption plan, the app with its own identity, and every setting that the code reads.
param location string
param tags object
param token string
param runtimeVersion string
param instanceMemoryMB int
param maximumInstanceCount int
param privateNetwork bool
param subnetId string
param identityId string
param identityClientId string
param storageAccountName string
param deploymentContainerUrl string
param deadLetterContainerUrl string
param anchorsContainerUrl string
param journalIngestionEndpoint string
param journalRuleId string
param journalStreamName string
param telemetryConnectionString string
param workspaceId string
param cosmosEndpoint string
param cosmosDatabase string
param cosmosContainer string
param entraTenantIds array
param entraClientId string
param entraAuthority string
param doorKeys string
param xdsUrl string
param vaultName string
param secretSettings array

var name = 'func-${token}'
var url = 'https://${name}.azurewebsites.net'

// Of the Functions host: its storage and its telemetry by the identity, and no page of its own where ours is.
var hostSettings = {
  AzureWebJobsStorage__accountName: storageAccountName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  AzureWebJobsDisableHomepage: 'true'
  APPLICATIONINSIGHTS_CONNECTION_STRING: telemetryConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
}

// Of this project: an empty one is one that is not set.
var ownSettings = {
  COSMOS__accountEndpoint: cosmosEndpoint
  COSMOS__clientId: identityClientId
  COSMOS__database: cosmosDatabase
  COSMOS__container: cosmosContainer
  MESHWRIGHT_AUTH: empty(entraClientId) ? 'none' : 'entra'
  MESHWRIGHT_ENTRA_TENANTS: join(entraTenantIds, ',')
  MESHWRIGHT_ENTRA_AUDIENCES: empty(entraClientId) ? '' : '${entraClientId},api://${entraClientId}'
  MESHWRIGHT_ENTRA_AUTHORITY: entraAuthority
  MESHWRIGHT_DOOR_KEYS: doorKeys
  MESHWRIGHT_XDS_URL: xdsUrl
  MESHWRIGHT_URL: url
  MESHWRIGHT_DEAD_LETTERS_URL: deadLetterContainerUrl
  MESHWRIGHT_ANCHORS_URL: anchorsContainerUrl
  MESHWRIGHT_AUDIT_ENDPOINT: journalIngestionEndpoint
  MESHWRIGHT_AUDIT_RULE: journalRuleId
  MESHWRIGHT_AUDIT_STREAM: journalStreamName
}

// What specs name is a secret, and stays in the vault.
var namedSettings = toObject(secretSettings, setting => setting, setting => '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=${toLower(replace(setting, '_', '-'))})')

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource functionApp 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'functions' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      // Where the network is private, action groups still come from outside; everybody else uses the private endpoint.
      ipSecurityRestrictionsDefaultAction: privateNetwork ? 'Deny' : 'Allow'
      ipSecurityRestrictions: privateNetwork
        ? [
            {
              name: 'action-groups'
              priority: 100
              action: 'Allow'
              tag: 'ServiceTag'
              ipAddress: 'ActionGroup'
            }
          ]
        : []
      scmIpSecurityRestrictionsDefaultAction: privateNetwork ? 'Deny' : 'Allow'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: deploymentContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'node'
        version: runtimeVersion
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: functionApp
  name: 'appsettings'
  properties: union(namedSettings, hostSettings, ownSettings)
}

// Deployments use a token of whoever deploys; there is no user name and password to steal.
resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: functionApp
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource noScmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: functionApp
  name: 'scm'
  properties: {
    allow: false
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: functionApp
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'FunctionAppLogs', enabled: true }
    ]
  }
}

output functionAppId string = functionApp.id
output functionAppName string = functionApp.name
output url string = url
